// The public face: `import { … } from 'access-service/client'`. Runs wherever fetch and WebSocket are.
export type { AccessDifference } from './access-table.ts';
export type { Token } from './endpoint.ts';
export { RequestRefused, SnapshotNeeded } from './errors.ts';
export { type AccessFeed, type AccessFeedOptions, createAccessFeed, type FeedState } from './feed.ts';
export type { ChangeCause, EntitlementChange, FeedCheckpoint, FeedFilter, FeedItem } from './items.ts';
export { type AccessMirror, type AccessMirrorOptions, createAccessMirror, type MirrorChange, type MirrorState } from './mirror.ts';
