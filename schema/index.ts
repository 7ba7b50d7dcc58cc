// Loads every noun and builds the schema once.
import './audit.ts';
import './api-key.ts';
import './caller.ts';
import './catalog.ts';
import './change.ts';
import './directory.ts';
import './directory-event.ts';
import './drift.ts';
import './entitlements.ts';
import './freshness.ts';
import './grant.ts';
import './group.ts';
import './group-mapping.ts';
import './organization.ts';
import './replay.ts';
import './role.ts';
import './snapshot.ts';
import './sync-health.ts';
import './user.ts';
import { builder } from './builder.ts';

export const schema = builder.toSchema({ sortSchema: true });
