-- Every text column is COLLATE "C": see prisma/create-migration.ts.
-- CreateEnum
CREATE TYPE "event_status" AS ENUM ('PENDING', 'APPLIED', 'STALE', 'IGNORED', 'QUARANTINED', 'SKIPPED');

-- CreateEnum
CREATE TYPE "event_channel" AS ENUM ('EVENTS_API', 'WEBHOOK', 'REPLAY');

-- CreateEnum
CREATE TYPE "latency_metric" AS ENUM ('EVENT_LAG', 'REVOCATION');

-- CreateEnum
CREATE TYPE "import_phase" AS ENUM ('USERS', 'GROUPS', 'MEMBERSHIPS', 'FINISHED');

-- CreateEnum
CREATE TYPE "state_read_kind" AS ENUM ('DIRECTORY', 'USERS', 'GROUPS', 'MEMBERS', 'USER_GROUPS', 'USER_GONE', 'GROUP_GONE', 'COMPLETE');

-- CreateEnum
CREATE TYPE "directory_state" AS ENUM ('ACTIVE', 'VALIDATING', 'INVALID_CREDENTIALS', 'INACTIVE', 'DELETED');

-- CreateEnum
CREATE TYPE "user_state" AS ENUM ('ACTIVE', 'SUSPENDED', 'INACTIVE', 'DELETED');

-- CreateEnum
CREATE TYPE "role_origin" AS ENUM ('CATALOG', 'WORKOS');

-- CreateEnum
CREATE TYPE "change_cause_kind" AS ENUM ('DIRECTORY_EVENT', 'REPLAY', 'RECONCILIATION', 'CATALOG_CHANGE', 'GRANT_CHANGE', 'GRANT_EXPIRY');

-- CreateEnum
CREATE TYPE "replay_source" AS ENUM ('LOG', 'WORKOS_EVENTS');

-- CreateEnum
CREATE TYPE "replay_status" AS ENUM ('PENDING', 'RUNNING', 'AWAITING_CONFIRMATION', 'SUCCEEDED', 'FAILED', 'CANCELLED');

-- CreateEnum
CREATE TYPE "replay_phase" AS ENUM ('FETCH', 'PREVIEW', 'REPAIR');

-- CreateEnum
CREATE TYPE "audit_outcome" AS ENUM ('STARTED', 'SUCCEEDED', 'FAILED');

-- CreateEnum
CREATE TYPE "scope" AS ENUM ('ENTITLEMENTS_READ', 'DIRECTORY_READ', 'CHANGES_SUBSCRIBE', 'SYNC_READ', 'SYNC_OPERATE', 'CATALOG_WRITE', 'KEYS_MANAGE');

-- CreateEnum
CREATE TYPE "drift_phase" AS ENUM ('USERS', 'GROUPS', 'MEMBERSHIPS', 'SETTLING', 'COMPARING', 'PREVIEWING', 'REPAIRING', 'FINISHED');

-- CreateEnum
CREATE TYPE "drift_kind" AS ENUM ('MISSING_LOCALLY', 'MISSING_AT_SOURCE', 'STATE', 'ATTRIBUTES', 'MEMBERSHIP', 'ROLE');

-- CreateTable
CREATE TABLE "directory_event" (
    "id" TEXT COLLATE "C" NOT NULL,
    "type" TEXT COLLATE "C" NOT NULL,
    "partition" TEXT COLLATE "C" NOT NULL,
    "organization_id" TEXT COLLATE "C",
    "directory_id" TEXT COLLATE "C",
    "user_id" TEXT COLLATE "C",
    "group_id" TEXT COLLATE "C",
    "raw" TEXT COLLATE "C" NOT NULL,
    "status" "event_status" NOT NULL DEFAULT 'PENDING',
    "channel" "event_channel" NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "error" TEXT COLLATE "C",
    "next_attempt_at" TIMESTAMPTZ(3),
    "occurred_at" TIMESTAMPTZ(3) NOT NULL,
    "received_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "applied_at" TIMESTAMPTZ(3),
    "trace_id" TEXT COLLATE "C" NOT NULL DEFAULT '',

    CONSTRAINT "directory_event_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "sync_cursor" (
    "id" TEXT COLLATE "C" NOT NULL,
    "event_id" TEXT COLLATE "C",
    "event_created_at" TIMESTAMPTZ(3),
    "caught_up_at" TIMESTAMPTZ(3),
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "sync_cursor_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "ingest_stat" (
    "hour" TIMESTAMPTZ(3) NOT NULL,
    "channel" "event_channel" NOT NULL,
    "received" INTEGER NOT NULL DEFAULT 0,
    "duplicate" INTEGER NOT NULL DEFAULT 0,
    "refused" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "ingest_stat_pkey" PRIMARY KEY ("hour","channel")
);

-- CreateTable
CREATE TABLE "directory_activity" (
    "directory_id" TEXT COLLATE "C" NOT NULL,
    "hour" TIMESTAMPTZ(3) NOT NULL,
    "events" INTEGER NOT NULL,

    CONSTRAINT "directory_activity_pkey" PRIMARY KEY ("directory_id","hour")
);

-- CreateTable
CREATE TABLE "latency_histogram" (
    "metric" "latency_metric" NOT NULL,
    "minute" TIMESTAMPTZ(3) NOT NULL,
    "organization_id" TEXT COLLATE "C" NOT NULL,
    "directory_id" TEXT COLLATE "C" NOT NULL,
    "bucket" SMALLINT NOT NULL,
    "samples" INTEGER NOT NULL,
    "max_seconds" DOUBLE PRECISION NOT NULL,

    CONSTRAINT "latency_histogram_pkey" PRIMARY KEY ("metric","minute","organization_id","directory_id","bucket")
);

-- CreateTable
CREATE TABLE "directory_import" (
    "directory_id" TEXT COLLATE "C" NOT NULL,
    "organization_id" TEXT COLLATE "C" NOT NULL,
    "version" TEXT COLLATE "C" NOT NULL,
    "phase" "import_phase" NOT NULL DEFAULT 'USERS',
    "page_after" TEXT COLLATE "C",
    "group_id" TEXT COLLATE "C",
    "users_read" INTEGER NOT NULL DEFAULT 0,
    "groups_read" INTEGER NOT NULL DEFAULT 0,
    "memberships_read" INTEGER NOT NULL DEFAULT 0,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "error" TEXT COLLATE "C",
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "directory_import_pkey" PRIMARY KEY ("directory_id")
);

-- CreateTable
CREATE TABLE "state_read" (
    "id" BIGSERIAL NOT NULL,
    "directory_id" TEXT COLLATE "C" NOT NULL,
    "group_id" TEXT COLLATE "C",
    "version" TEXT COLLATE "C" NOT NULL,
    "kind" "state_read_kind" NOT NULL,
    "raw" TEXT COLLATE "C" NOT NULL,
    "entity_ids" TEXT[] COLLATE "C",
    "read_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "state_read_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "refresh_task" (
    "user_id" TEXT COLLATE "C" NOT NULL,
    "directory_id" TEXT COLLATE "C" NOT NULL,
    "reason" TEXT COLLATE "C" NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "error" TEXT COLLATE "C",
    "requested_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "next_attempt_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "refresh_task_pkey" PRIMARY KEY ("user_id")
);

-- CreateTable
CREATE TABLE "organization" (
    "id" TEXT COLLATE "C" NOT NULL,
    "name" TEXT COLLATE "C",
    "source_updated_at" TIMESTAMPTZ(3) NOT NULL,
    "source_version" TEXT COLLATE "C" NOT NULL,
    "alive_version" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "deleted_version" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "deleted" BOOLEAN NOT NULL DEFAULT false,

    CONSTRAINT "organization_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "directory" (
    "id" TEXT COLLATE "C" NOT NULL,
    "organization_id" TEXT COLLATE "C" NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    "type" TEXT COLLATE "C" NOT NULL,
    "source_state" "directory_state" NOT NULL,
    "state" "directory_state" NOT NULL,
    "source_updated_at" TIMESTAMPTZ(3) NOT NULL,
    "source_version" TEXT COLLATE "C" NOT NULL,
    "alive_version" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "deleted_version" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "imported_version" TEXT COLLATE "C" NOT NULL DEFAULT '',

    CONSTRAINT "directory_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "directory_user" (
    "id" TEXT COLLATE "C" NOT NULL,
    "directory_id" TEXT COLLATE "C" NOT NULL,
    "organization_id" TEXT COLLATE "C" NOT NULL,
    "idp_id" TEXT COLLATE "C",
    "email" TEXT COLLATE "C",
    "first_name" TEXT COLLATE "C",
    "last_name" TEXT COLLATE "C",
    "display_name" TEXT COLLATE "C" NOT NULL,
    "source_state" "user_state" NOT NULL,
    "state" "user_state" NOT NULL,
    "custom_attributes" JSONB NOT NULL DEFAULT '{}',
    "directory_roles" TEXT[] COLLATE "C",
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "source_version" TEXT COLLATE "C" NOT NULL,
    "alive_version" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "seen_version" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "deleted_version" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "barrier_version" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "drift_suspected" BOOLEAN NOT NULL DEFAULT false,

    CONSTRAINT "directory_user_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "directory_group" (
    "id" TEXT COLLATE "C" NOT NULL,
    "directory_id" TEXT COLLATE "C" NOT NULL,
    "organization_id" TEXT COLLATE "C" NOT NULL,
    "idp_id" TEXT COLLATE "C",
    "name" TEXT COLLATE "C" NOT NULL,
    "deleted" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "source_version" TEXT COLLATE "C" NOT NULL,
    "alive_version" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "seen_version" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "deleted_version" TEXT COLLATE "C" NOT NULL DEFAULT '',

    CONSTRAINT "directory_group_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "membership" (
    "user_id" TEXT COLLATE "C" NOT NULL,
    "group_id" TEXT COLLATE "C" NOT NULL,
    "directory_id" TEXT COLLATE "C" NOT NULL,
    "organization_id" TEXT COLLATE "C" NOT NULL,
    "present" BOOLEAN NOT NULL,
    "version" TEXT COLLATE "C" NOT NULL,
    "active" BOOLEAN NOT NULL,
    "since" TIMESTAMPTZ(3) NOT NULL,
    "cause_event_id" TEXT COLLATE "C",

    CONSTRAINT "membership_pkey" PRIMARY KEY ("user_id","group_id")
);

-- CreateTable
CREATE TABLE "membership_interval" (
    "user_id" TEXT COLLATE "C" NOT NULL,
    "group_id" TEXT COLLATE "C" NOT NULL,
    "organization_id" TEXT COLLATE "C" NOT NULL,
    "from_position" BIGINT NOT NULL,
    "to_position" BIGINT NOT NULL DEFAULT 9223372036854775807,
    "from_at" TIMESTAMPTZ(3) NOT NULL,
    "to_at" TIMESTAMPTZ(3),
    "from_cause" JSONB NOT NULL,
    "to_cause" JSONB,

    CONSTRAINT "membership_interval_pkey" PRIMARY KEY ("user_id","group_id","to_position")
);

-- CreateTable
CREATE TABLE "role" (
    "organization_id" TEXT COLLATE "C" NOT NULL,
    "slug" TEXT COLLATE "C" NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    "description" TEXT COLLATE "C",
    "permissions" TEXT[] COLLATE "C",
    "origin" "role_origin" NOT NULL,
    "source_updated_at" TIMESTAMPTZ(3) NOT NULL,
    "source_version" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "alive_version" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "deleted_version" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "deleted" BOOLEAN NOT NULL DEFAULT false,

    CONSTRAINT "role_pkey" PRIMARY KEY ("organization_id","slug")
);

-- CreateTable
CREATE TABLE "permission" (
    "slug" TEXT COLLATE "C" NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    "description" TEXT COLLATE "C",
    "source_updated_at" TIMESTAMPTZ(3) NOT NULL,
    "source_version" TEXT COLLATE "C" NOT NULL,
    "alive_version" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "deleted_version" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "deleted" BOOLEAN NOT NULL DEFAULT false,

    CONSTRAINT "permission_pkey" PRIMARY KEY ("slug")
);

-- CreateTable
CREATE TABLE "group_mapping" (
    "id" TEXT COLLATE "C" NOT NULL,
    "organization_id" TEXT COLLATE "C" NOT NULL,
    "group_id" TEXT COLLATE "C",
    "group_name" TEXT COLLATE "C",
    "roles" TEXT[] COLLATE "C",
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "group_mapping_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "catalog_revision" (
    "id" INTEGER NOT NULL,
    "revision" DOUBLE PRECISION NOT NULL DEFAULT random(),

    CONSTRAINT "catalog_revision_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "grant" (
    "id" TEXT COLLATE "C" NOT NULL,
    "user_id" TEXT COLLATE "C" NOT NULL,
    "organization_id" TEXT COLLATE "C" NOT NULL,
    "role" TEXT COLLATE "C" NOT NULL,
    "reason" TEXT COLLATE "C" NOT NULL,
    "granted_by" TEXT COLLATE "C" NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "grant_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "effective_entitlement" (
    "user_id" TEXT COLLATE "C" NOT NULL,
    "to_position" BIGINT NOT NULL DEFAULT 9223372036854775807,
    "from_position" BIGINT NOT NULL,
    "organization_id" TEXT COLLATE "C" NOT NULL,
    "directory_id" TEXT COLLATE "C" NOT NULL,
    "roles" TEXT[] COLLATE "C",
    "permissions" TEXT[] COLLATE "C",
    "reasons" JSON NOT NULL,
    "from_at" TIMESTAMPTZ(3) NOT NULL,
    "to_at" TIMESTAMPTZ(3),
    "from_cause" JSONB NOT NULL,
    "to_cause" JSONB,
    "revision" DOUBLE PRECISION NOT NULL DEFAULT random(),

    CONSTRAINT "effective_entitlement_pkey" PRIMARY KEY ("user_id","to_position")
);

-- CreateTable
CREATE TABLE "entitlement_change" (
    "position" BIGINT NOT NULL,
    "organization_id" TEXT COLLATE "C" NOT NULL,
    "directory_id" TEXT COLLATE "C" NOT NULL,
    "user_id" TEXT COLLATE "C" NOT NULL,
    "granted_permissions" TEXT[] COLLATE "C",
    "revoked_permissions" TEXT[] COLLATE "C",
    "granted_roles" TEXT[] COLLATE "C",
    "revoked_roles" TEXT[] COLLATE "C",
    "cause_kind" "change_cause_kind" NOT NULL,
    "event_id" TEXT COLLATE "C",
    "event_type" TEXT COLLATE "C",
    "replay_id" TEXT COLLATE "C",
    "drift_report_id" TEXT COLLATE "C",
    "actor" TEXT COLLATE "C",
    "reason" TEXT COLLATE "C",
    "occurred_at" TIMESTAMPTZ(3) NOT NULL,
    "recorded_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "entitlement_change_pkey" PRIMARY KEY ("position")
);

-- CreateTable
CREATE TABLE "wide_change" (
    "id" TEXT COLLATE "C" NOT NULL,
    "organization_id" TEXT COLLATE "C" NOT NULL,
    "roles" TEXT[] COLLATE "C",
    "group_ids" TEXT[] COLLATE "C",
    "cause" JSONB NOT NULL,
    "progress_key" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "affected_users" INTEGER NOT NULL DEFAULT 0,
    "granted_permissions" INTEGER NOT NULL DEFAULT 0,
    "revoked_permissions" INTEGER NOT NULL DEFAULT 0,
    "preview" JSONB NOT NULL DEFAULT '[]',
    "owned_until" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "wide_change_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "change_log_head" (
    "id" INTEGER NOT NULL,
    "log_id" TEXT COLLATE "C" NOT NULL,
    "position" BIGINT NOT NULL,
    "relayed_position" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "change_log_head_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "replay" (
    "id" TEXT COLLATE "C" NOT NULL,
    "status" "replay_status" NOT NULL DEFAULT 'PENDING',
    "dry_run" BOOLEAN NOT NULL,
    "source" "replay_source" NOT NULL,
    "selection" JSONB NOT NULL,
    "organization_id" TEXT COLLATE "C",
    "idempotency_key" TEXT COLLATE "C",
    "requested_by" TEXT COLLATE "C" NOT NULL,
    "reason" TEXT COLLATE "C",
    "processed" INTEGER NOT NULL DEFAULT 0,
    "total" INTEGER NOT NULL DEFAULT 0,
    "repaired" INTEGER NOT NULL DEFAULT 0,
    "unchanged" INTEGER NOT NULL DEFAULT 0,
    "failed" INTEGER NOT NULL DEFAULT 0,
    "granted_permissions" INTEGER NOT NULL DEFAULT 0,
    "revoked_permissions" INTEGER NOT NULL DEFAULT 0,
    "affected_users" INTEGER NOT NULL DEFAULT 0,
    "preview" JSONB NOT NULL DEFAULT '[]',
    "error" TEXT COLLATE "C",
    "cancel_requested" BOOLEAN NOT NULL DEFAULT false,
    "phase" "replay_phase" NOT NULL DEFAULT 'PREVIEW',
    "progress_key" TEXT COLLATE "C",
    "fetched" INTEGER NOT NULL DEFAULT 0,
    "missing" INTEGER NOT NULL DEFAULT 0,
    "received_until" TIMESTAMPTZ(3),
    "differs" BOOLEAN NOT NULL DEFAULT false,
    "revocations" INTEGER NOT NULL DEFAULT 0,
    "digest" TEXT COLLATE "C" NOT NULL DEFAULT '0000000000000000000000000000000000000000000000000000000000000000',
    "max_revocations" INTEGER,
    "allowance" INTEGER,
    "confirm_token" TEXT COLLATE "C",
    "given_token" TEXT COLLATE "C",
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "started_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "replay_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "audit_entry" (
    "id" TEXT COLLATE "C" NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "actor" TEXT COLLATE "C" NOT NULL,
    "credential" TEXT COLLATE "C",
    "action" TEXT COLLATE "C" NOT NULL,
    "organization_id" TEXT COLLATE "C",
    "target" TEXT COLLATE "C",
    "reason" TEXT COLLATE "C",
    "input" JSONB NOT NULL,
    "outcome" "audit_outcome" NOT NULL DEFAULT 'STARTED',
    "error" TEXT COLLATE "C",
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "audit_entry_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "lease" (
    "job" TEXT COLLATE "C" NOT NULL,
    "holder" TEXT COLLATE "C" NOT NULL,
    "epoch" BIGINT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "taken_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "lease_pkey" PRIMARY KEY ("job")
);

-- CreateTable
CREATE TABLE "node_status" (
    "id" TEXT COLLATE "C" NOT NULL,
    "seen_at" TIMESTAMPTZ(3) NOT NULL,
    "feed" JSONB NOT NULL,

    CONSTRAINT "node_status_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "api_key" (
    "id" TEXT COLLATE "C" NOT NULL,
    "hash" TEXT COLLATE "C" NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    "scopes" "scope"[],
    "organization_id" TEXT COLLATE "C",
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "created_by" TEXT COLLATE "C" NOT NULL,
    "expires_at" TIMESTAMPTZ(3),
    "last_used_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "api_key_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "drift_report" (
    "id" TEXT COLLATE "C" NOT NULL,
    "directory_id" TEXT COLLATE "C" NOT NULL,
    "organization_id" TEXT COLLATE "C" NOT NULL,
    "status" "replay_status" NOT NULL DEFAULT 'PENDING',
    "repair" BOOLEAN NOT NULL,
    "requested_by" TEXT COLLATE "C" NOT NULL,
    "max_revocations" INTEGER,
    "given_token" TEXT COLLATE "C",
    "confirm_token" TEXT COLLATE "C",
    "phase" "drift_phase" NOT NULL DEFAULT 'USERS',
    "step" INTEGER NOT NULL DEFAULT 0,
    "version" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "directory" TEXT COLLATE "C",
    "page_after" TEXT COLLATE "C",
    "group_id" TEXT COLLATE "C",
    "progress_key" TEXT COLLATE "C",
    "users_read" INTEGER NOT NULL DEFAULT 0,
    "active_users_read" INTEGER NOT NULL DEFAULT 0,
    "groups_read" INTEGER NOT NULL DEFAULT 0,
    "memberships_read" INTEGER NOT NULL DEFAULT 0,
    "accounts_checked" INTEGER NOT NULL DEFAULT 0,
    "accounts_drifted" INTEGER NOT NULL DEFAULT 0,
    "by_kind" JSONB NOT NULL DEFAULT '{}',
    "repaired" INTEGER NOT NULL DEFAULT 0,
    "difference" JSONB,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "error" TEXT COLLATE "C",
    "next_step_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "started_at" TIMESTAMPTZ(3),
    "read_at" TIMESTAMPTZ(3),
    "compared_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "drift_report_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "drift_item" (
    "report_id" TEXT COLLATE "C" NOT NULL,
    "key" TEXT COLLATE "C" NOT NULL,
    "kind" "drift_kind" NOT NULL,
    "user_id" TEXT COLLATE "C",
    "group_id" TEXT COLLATE "C",
    "local" JSONB,
    "source" JSONB,

    CONSTRAINT "drift_item_pkey" PRIMARY KEY ("report_id","key")
);

-- CreateTable
CREATE TABLE "drift_read_user" (
    "report_id" TEXT COLLATE "C" NOT NULL,
    "user_id" TEXT COLLATE "C" NOT NULL,
    "raw" TEXT COLLATE "C" NOT NULL,

    CONSTRAINT "drift_read_user_pkey" PRIMARY KEY ("report_id","user_id")
);

-- CreateTable
CREATE TABLE "drift_read_group" (
    "report_id" TEXT COLLATE "C" NOT NULL,
    "group_id" TEXT COLLATE "C" NOT NULL,
    "raw" TEXT COLLATE "C" NOT NULL,

    CONSTRAINT "drift_read_group_pkey" PRIMARY KEY ("report_id","group_id")
);

-- CreateTable
CREATE TABLE "drift_read_member" (
    "report_id" TEXT COLLATE "C" NOT NULL,
    "user_id" TEXT COLLATE "C" NOT NULL,
    "group_id" TEXT COLLATE "C" NOT NULL,

    CONSTRAINT "drift_read_member_pkey" PRIMARY KEY ("report_id","user_id","group_id")
);

-- CreateIndex
CREATE INDEX "directory_event_status_partition_id_idx" ON "directory_event"("status", "partition", "id");

-- CreateIndex
CREATE INDEX "directory_event_partition_id_idx" ON "directory_event"("partition", "id");

-- CreateIndex
CREATE INDEX "directory_event_directory_id_id_idx" ON "directory_event"("directory_id", "id");

-- CreateIndex
CREATE INDEX "directory_event_user_id_id_idx" ON "directory_event"("user_id", "id");

-- CreateIndex
CREATE INDEX "directory_event_group_id_id_idx" ON "directory_event"("group_id", "id");

-- CreateIndex
CREATE INDEX "directory_event_occurred_at_idx" ON "directory_event" USING BRIN ("occurred_at");

-- CreateIndex
CREATE INDEX "directory_activity_hour_idx" ON "directory_activity"("hour");

-- CreateIndex
CREATE INDEX "state_read_directory_id_kind_idx" ON "state_read"("directory_id", "kind");

-- CreateIndex
CREATE INDEX "state_read_group_id_idx" ON "state_read"("group_id");

-- CreateIndex
CREATE INDEX "state_read_entity_ids_idx" ON "state_read" USING GIN ("entity_ids");

-- CreateIndex
CREATE INDEX "refresh_task_next_attempt_at_idx" ON "refresh_task"("next_attempt_at");

-- CreateIndex
CREATE INDEX "directory_organization_id_idx" ON "directory"("organization_id");

-- CreateIndex
CREATE INDEX "directory_user_organization_id_id_idx" ON "directory_user"("organization_id", "id");

-- CreateIndex
CREATE INDEX "directory_user_directory_id_id_idx" ON "directory_user"("directory_id", "id");

-- CreateIndex
CREATE INDEX "directory_user_email_idx" ON "directory_user"("email");

-- CreateIndex
CREATE INDEX "directory_user_idp_id_idx" ON "directory_user"("idp_id");

-- CreateIndex
CREATE INDEX "directory_group_organization_id_id_idx" ON "directory_group"("organization_id", "id");

-- CreateIndex
CREATE INDEX "directory_group_organization_id_name_idx" ON "directory_group"("organization_id", "name");

-- CreateIndex
CREATE INDEX "directory_group_directory_id_id_idx" ON "directory_group"("directory_id", "id");

-- CreateIndex
CREATE INDEX "membership_group_id_user_id_idx" ON "membership"("group_id", "user_id");

-- CreateIndex
CREATE INDEX "membership_directory_id_version_idx" ON "membership"("directory_id", "version");

-- CreateIndex
CREATE INDEX "membership_interval_group_id_from_position_idx" ON "membership_interval"("group_id", "from_position");

-- CreateIndex
CREATE UNIQUE INDEX "group_mapping_organization_id_group_id_key" ON "group_mapping"("organization_id", "group_id");

-- CreateIndex
CREATE UNIQUE INDEX "group_mapping_organization_id_group_name_key" ON "group_mapping"("organization_id", "group_name");

-- CreateIndex
CREATE INDEX "grant_user_id_idx" ON "grant"("user_id");

-- CreateIndex
CREATE INDEX "grant_organization_id_id_idx" ON "grant"("organization_id", "id");

-- CreateIndex
CREATE INDEX "grant_revoked_at_expires_at_idx" ON "grant"("revoked_at", "expires_at");

-- CreateIndex
CREATE INDEX "effective_entitlement_organization_id_user_id_to_position_idx" ON "effective_entitlement"("organization_id", "user_id", "to_position");

-- CreateIndex
CREATE INDEX "entitlement_change_organization_id_position_idx" ON "entitlement_change"("organization_id", "position");

-- CreateIndex
CREATE INDEX "entitlement_change_user_id_position_idx" ON "entitlement_change"("user_id", "position");

-- CreateIndex
CREATE INDEX "entitlement_change_recorded_at_idx" ON "entitlement_change" USING BRIN ("recorded_at");

-- CreateIndex
CREATE INDEX "wide_change_finished_at_idx" ON "wide_change"("finished_at");

-- CreateIndex
CREATE UNIQUE INDEX "replay_idempotency_key_key" ON "replay"("idempotency_key");

-- CreateIndex
CREATE INDEX "replay_status_idx" ON "replay"("status");

-- CreateIndex
CREATE INDEX "replay_given_token_idx" ON "replay"("given_token");

-- CreateIndex
CREATE INDEX "audit_entry_at_idx" ON "audit_entry"("at");

-- CreateIndex
CREATE INDEX "audit_entry_organization_id_id_idx" ON "audit_entry"("organization_id", "id");

-- CreateIndex
CREATE INDEX "audit_entry_actor_id_idx" ON "audit_entry"("actor", "id");

-- CreateIndex
CREATE UNIQUE INDEX "lease_job_epoch_key" ON "lease"("job", "epoch");

-- CreateIndex
CREATE INDEX "api_key_organization_id_idx" ON "api_key"("organization_id");

-- CreateIndex
CREATE INDEX "drift_report_status_next_step_at_idx" ON "drift_report"("status", "next_step_at");

-- CreateIndex
CREATE INDEX "drift_report_directory_id_id_idx" ON "drift_report"("directory_id", "id");

-- CreateIndex
CREATE INDEX "drift_report_organization_id_id_idx" ON "drift_report"("organization_id", "id");

-- CreateIndex
CREATE INDEX "drift_item_report_id_user_id_idx" ON "drift_item"("report_id", "user_id");
