// What `start` tells a newcomer: which stand-ins are in use, where things are, and three commands to paste.
import type { StandIn } from './config.ts';

export interface BannerFacts {
  url: string;
  /** Shown only when it was made here; a configured key is nobody's to print. */
  generatedKey: string | null;
  standIns: readonly StandIn[];
  fakeUrl: string | null;
  dataDir: string;
}

const STAND_INS: Readonly<Record<StandIn, (facts: BannerFacts) => string>> = {
  EMBEDDED_POSTGRES: ({ dataDir }) => `DATABASE_URL is not set: an embedded Postgres keeps its data in ${dataDir}/postgres`,
  IN_PROCESS_WAKE_UP: () => 'REDIS_URL is not set: subscribers are woken inside this process only, so run just one',
  FAKE_WORKOS: ({ fakeUrl }) => `WORKOS_API_KEY is not set: a FAKE WorkOS plays a small company at ${fakeUrl}; nobody in it is real`,
  GENERATED_ADMIN_KEY: ({ dataDir }) => `ADMIN_API_KEY is not set: a key was made and is kept in ${dataDir}/admin-key`,
};

const curl = (facts: BannerFacts, body: string, accept?: string): string =>
  [
    `curl -s${accept ? 'N' : ''} ${facts.url}/graphql -H 'content-type: application/json'`,
    ...(accept ? [`-H 'accept: ${accept}'`] : []),
    `-H 'authorization: Bearer ${facts.generatedKey ?? '$ADMIN_API_KEY'}'`,
    `-d '${JSON.stringify({ query: body })}'`,
  ].join(' ');

export const BANNER_QUERY = '{ users(first: 3) { nodes { id displayName state entitlements { permissions { permission } } } } }';
export const BANNER_SUBSCRIPTION =
  'subscription { entitlementChanges { __typename ... on EntitlementChange { cursor userId grantedPermissions revokedPermissions cause { kind eventType } } ... on FeedCheckpoint { cursor caughtUp } } }';
export const BANNER_REPLAY = 'mutation { replayEvents(input: { reason: "first look" }) { id status total } }';

export function renderBanner(facts: BannerFacts): string {
  const lines = [
    '',
    `  access-service is listening on ${facts.url}`,
    '',
    ...facts.standIns.map((standIn) => `  stand-in  ${STAND_INS[standIn](facts)}`),
    ...(facts.standIns.length > 0 ? [''] : []),
    `  GraphiQL  ${facts.url}/graphql`,
    ...(facts.generatedKey ? [`  key       ${facts.generatedKey}   (send it as: Authorization: Bearer <key>)`] : []),
    '',
    '  Who may do what:',
    `    ${curl(facts, BANNER_QUERY)}`,
    '  Follow every change of access as it happens:',
    `    ${curl(facts, BANNER_SUBSCRIPTION, 'text/event-stream')}`,
    '  Re-derive everything from the stored events and repair what differs:',
    `    ${curl(facts, BANNER_REPLAY)}`,
    '',
    '  Ctrl-C stops everything; the next start goes on where this one stopped.',
    '',
  ];
  return `${lines.join('\n')}\n`;
}
