// The audit of mutations. An entry stands before its operation begins: what cannot be written down is not done. That it
// succeeded is written in the operation's own transaction, where it has one. What is known only afterwards (a failure, the
// ids in the result) is added then, and a failure to do that is only logged: the operation has happened by then.
import type { Caller } from '../auth/caller.ts';
import type { Db } from '../db/client.ts';
import { withLastStep } from '../db/transaction.ts';
import { AccessError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import { harmless, inputOf, organizationOf, reasonOf, targetOf } from './audit-entry.ts';

export interface AuditedOperation {
  /** Name of the mutation. */
  action: string;
  args: object;
  caller: Caller;
}

export interface Audit {
  /** Does the work between the two halves of its entry. Rejects without having begun when the entry cannot be written. */
  record<T>(operation: AuditedOperation, work: () => Promise<T>): Promise<T>;
}

/** null: the admin key. */
const credentialOf = ({ credential }: Caller): string | null =>
  credential ? harmless(credential.kind === 'key' ? credential.id : `token ${credential.subject}`) : null;

const MAX_ERROR_CHARACTERS = 500;

/** What the caller was told; what went wrong inside is in the log. */
const told = (error: unknown): string =>
  error instanceof AccessError ? harmless(`${error.code}: ${error.message}`).slice(0, MAX_ERROR_CHARACTERS) : 'INTERNAL';

// By primary key. Not after a failure: something that the operation has left behind may still be at work.
const SUCCEEDED = `UPDATE audit_entry SET outcome = 'SUCCEEDED', finished_at = clock_timestamp() WHERE id = $1 AND outcome = 'STARTED'`;

export function createAudit({ db, log }: { db: Db; log: Logger }): Audit {
  return {
    async record({ action, args, caller }, work) {
      const { id } = await db.auditEntry.create({
        data: {
          actor: caller.name,
          credential: credentialOf(caller),
          action,
          organizationId: caller.organizationId,
          target: targetOf(args),
          reason: reasonOf(args),
          input: inputOf(args),
        },
        select: { id: true },
      });
      const end = (data: { outcome: 'SUCCEEDED' | 'FAILED'; error?: string; target?: string | null; organizationId?: string | null }) =>
        db.auditEntry
          .update({ where: { id }, data: { ...data, finishedAt: new Date() } })
          .catch((error: unknown) =>
            log.error({ auditEntryId: id, action, error: messageOf(error) }, 'the end of an operation was not audited'),
          );
      try {
        const result = await withLastStep(async (tx) => void (await tx.$executeRawUnsafe(SUCCEEDED, id)), work);
        await end({
          outcome: 'SUCCEEDED',
          target: targetOf(args, result),
          organizationId: caller.organizationId ?? organizationOf(result),
        });
        return result;
      } catch (error) {
        await end({ outcome: 'FAILED', error: told(error) });
        throw error;
      }
    },
  };
}
