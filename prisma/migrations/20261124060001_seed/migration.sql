-- Written by hand: the rows that must exist from the beginning, and what schema.prisma cannot say.

-- The change log of this database. The id tells it from every other log, inside cursors.
INSERT INTO "change_log_head" ("id", "log_id", "position")
VALUES (1, substr(replace(gen_random_uuid()::text, '-', ''), 1, 12), 0);

-- The Events API has not been read yet.
INSERT INTO "sync_cursor" ("id") VALUES ('events');

-- Freshness asks on every read for the oldest event of an organization that is still waiting: one entry, whatever the backlog.
CREATE INDEX "directory_event_waiting_since" ON "directory_event" ("partition", "occurred_at") WHERE "status" = 'PENDING';

-- The few events about a directory itself, which a replay of any of its users reads.
CREATE INDEX "directory_event_of_directory" ON "directory_event" ("directory_id", "id") WHERE "user_id" IS NULL AND "group_id" IS NULL;

-- Sync-health sums failed attempts; nearly every event has none.
CREATE INDEX "directory_event_attempted" ON "directory_event" ("partition", "id") WHERE "attempts" > 0;

-- One reconciliation of a directory at a time.
CREATE UNIQUE INDEX "drift_report_open" ON "drift_report" ("directory_id") WHERE "status" IN ('PENDING', 'RUNNING');

-- Whether a directory may still push: its few tokens, newest first.
CREATE INDEX "directory_event_of_token" ON "directory_event" ("directory_id", "id") WHERE "type" IN ('dsync.token.created', 'dsync.token.revoked');

-- Whether a wide change of an organization is under way, which freshness asks on every read.
CREATE INDEX "wide_change_unfinished" ON "wide_change" ("organization_id", "started_at") WHERE "finished_at" IS NULL;

-- Who has a permission now; versions that have ended are not asked about.
CREATE INDEX "effective_entitlement_permissions_idx" ON "effective_entitlement" USING GIN ("permissions") WHERE "to_position" = 9223372036854775807;

-- Changes that no event caused come in masses.
CREATE INDEX "entitlement_change_event_id_idx" ON "entitlement_change" ("event_id") WHERE "event_id" IS NOT NULL;

-- Whoever alters what a user may do in place has altered the revision: what was kept of it must never be taken for the same.
CREATE FUNCTION effective_entitlement_revise() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.revision := random();
  RETURN NEW;
END $$;
CREATE TRIGGER effective_entitlement_revise BEFORE UPDATE OF "roles", "permissions", "reasons" ON "effective_entitlement"
FOR EACH ROW EXECUTE FUNCTION effective_entitlement_revise();

-- The same for the catalog as a whole: it is small, and seldom written.
INSERT INTO "catalog_revision" ("id") VALUES (1);
CREATE FUNCTION catalog_revise() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "catalog_revision" SET "revision" = random();
  RETURN NULL;
END $$;
CREATE TRIGGER catalog_revise AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON "role"
FOR EACH STATEMENT EXECUTE FUNCTION catalog_revise();
CREATE TRIGGER catalog_revise AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON "permission"
FOR EACH STATEMENT EXECUTE FUNCTION catalog_revise();
CREATE TRIGGER catalog_revise AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON "group_mapping"
FOR EACH STATEMENT EXECUTE FUNCTION catalog_revise();
