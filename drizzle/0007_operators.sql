CREATE TABLE "access_tokens" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"role" text NOT NULL,
	"org_id" text,
	"hash" "bytea" NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"created_by" text NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"last_used_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	"revoked_by" text
);
--> statement-breakpoint
CREATE TABLE "audit_checkpoints" (
	"seq" bigint PRIMARY KEY NOT NULL,
	"hash" "bytea" NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"signature" "bytea" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "audit_head" (
	"id" smallint PRIMARY KEY NOT NULL,
	"seq" bigint NOT NULL,
	"hash" "bytea" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "audit_log" (
	"seq" bigint PRIMARY KEY NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"actor" text NOT NULL,
	"actor_kind" text NOT NULL,
	"role" text,
	"action" text NOT NULL,
	"object_type" text NOT NULL,
	"object_id" text,
	"org_id" text,
	"before" jsonb,
	"after" jsonb,
	"reason" text,
	"request_id" text,
	"address" text,
	"prev_hash" "bytea" NOT NULL,
	"hash" "bytea" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "console_sessions" (
	"hash" "bytea" PRIMARY KEY NOT NULL,
	"id" uuid NOT NULL,
	"actor" text NOT NULL,
	"role" text NOT NULL,
	"org_id" text,
	"via" text NOT NULL,
	"token_hash" "bytea",
	"address" text,
	"user_agent" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	"last_seen_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"revoked_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "pipe_activity" (
	"minute" integer NOT NULL,
	"kind" text NOT NULL,
	"bucket" smallint NOT NULL,
	"n" bigint NOT NULL,
	CONSTRAINT "pipe_activity_pkey" PRIMARY KEY("minute","kind","bucket")
);
--> statement-breakpoint
CREATE TABLE "dead_letters" (
	"event_id" uuid PRIMARY KEY NOT NULL,
	"error_class" text NOT NULL,
	"fingerprint" text NOT NULL,
	"pattern" text NOT NULL,
	"domain" text NOT NULL,
	"source" text NOT NULL,
	"cluster_id" text,
	"org_id" text,
	"event_type" text NOT NULL,
	"replays" integer NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"failed_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "replays" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"state" text NOT NULL,
	"filter" jsonb NOT NULL,
	"org_id" text,
	"force" boolean NOT NULL,
	"reset_retry" boolean NOT NULL,
	"rate_per_second" integer NOT NULL,
	"reason" text,
	"planned_by" text NOT NULL,
	"executed_by" text,
	"total" integer NOT NULL,
	"opened" integer DEFAULT 0 NOT NULL,
	"skipped" integer DEFAULT 0 NOT NULL,
	"applied" integer DEFAULT 0 NOT NULL,
	"failed_again" integer DEFAULT 0 NOT NULL,
	"position" uuid,
	"paused_because" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"executed_at" timestamp (3) with time zone,
	"stepped_at" timestamp (3) with time zone,
	"finished_at" timestamp (3) with time zone
);
--> statement-breakpoint
ALTER TABLE "cert_event_replays" ADD COLUMN "replay_id" bigint;--> statement-breakpoint
ALTER TABLE "cert_event_replays" ADD COLUMN "result" text;--> statement-breakpoint
ALTER TABLE "certificate_lifecycle_events" ADD COLUMN "error_pattern" text;--> statement-breakpoint
ALTER TABLE "certificate_lifecycle_events" ADD COLUMN "error_fingerprint" text;--> statement-breakpoint
CREATE UNIQUE INDEX "access_tokens_hash" ON "access_tokens" USING btree ("hash");--> statement-breakpoint
CREATE INDEX "access_tokens_org" ON "access_tokens" USING btree ("org_id");--> statement-breakpoint
CREATE INDEX "audit_log_actor" ON "audit_log" USING btree ("actor","seq");--> statement-breakpoint
CREATE INDEX "audit_log_action" ON "audit_log" USING btree ("action","seq");--> statement-breakpoint
CREATE INDEX "audit_log_object" ON "audit_log" USING btree ("object_type","object_id","seq");--> statement-breakpoint
CREATE INDEX "audit_log_org" ON "audit_log" USING btree ("org_id","seq");--> statement-breakpoint
CREATE INDEX "audit_log_at" ON "audit_log" USING btree ("at");--> statement-breakpoint
CREATE UNIQUE INDEX "console_sessions_id" ON "console_sessions" USING btree ("id");--> statement-breakpoint
CREATE INDEX "console_sessions_expiry" ON "console_sessions" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "dead_letters_group" ON "dead_letters" USING btree ("fingerprint","event_id");--> statement-breakpoint
CREATE INDEX "dead_letters_failed" ON "dead_letters" USING btree ("failed_at");--> statement-breakpoint
CREATE INDEX "replays_state" ON "replays" USING btree ("state","id");--> statement-breakpoint
CREATE INDEX "cert_event_replays_unsettled" ON "cert_event_replays" USING btree ("replay_id","id") WHERE "cert_event_replays"."replay_id" is not null and "cert_event_replays"."result" is null;