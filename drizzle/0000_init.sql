CREATE TABLE "domain_counts" (
	"org_id" text,
	"region" text,
	"tls_status" text NOT NULL,
	"n" bigint NOT NULL,
	"last_event_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "event_counts" (
	"org_id" text,
	"source" text NOT NULL,
	"cluster_id" text,
	"event_type" text NOT NULL,
	"status" text NOT NULL,
	"error_class" text,
	"resolved" boolean NOT NULL,
	"n" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "event_hours" (
	"hour" integer NOT NULL,
	"n" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "incident_counts" (
	"org_id" text,
	"source" text,
	"cluster_id" text,
	"incident_type" text NOT NULL,
	"tier" smallint NOT NULL,
	"status" text NOT NULL,
	"n" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "renewal_deadlines" (
	"domain_id" uuid PRIMARY KEY NOT NULL,
	"due_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "unfinished_events" (
	"status" text NOT NULL,
	"event_id" uuid NOT NULL,
	CONSTRAINT "unfinished_events_pkey" PRIMARY KEY("status","event_id")
);
--> statement-breakpoint
CREATE TABLE "cert_sources" (
	"source" text NOT NULL,
	"cluster_id" text NOT NULL,
	"last_event_id" uuid,
	"last_event_type" text,
	"events_total" bigint DEFAULT 0 NOT NULL,
	"signature_failures" bigint DEFAULT 0 NOT NULL,
	"last_seen_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "custom_domains" (
	"id" uuid PRIMARY KEY NOT NULL,
	"org_id" text,
	"domain" text collate "C" NOT NULL,
	"verified" boolean DEFAULT false NOT NULL,
	"verification_token" text NOT NULL,
	"tls_mode" text DEFAULT 'termination' NOT NULL,
	"target_tunnel_id" uuid,
	"region" text,
	"probe_address" text[],
	"starttls" text,
	"last_verified_at" timestamp (3) with time zone,
	"tls_status" text NOT NULL,
	"certificate_ref" text,
	"tls_not_before" timestamp (3) with time zone,
	"tls_not_after" timestamp (3) with time zone,
	"tls_last_error" text,
	"tls_last_checked_at" timestamp (3) with time zone,
	"observed_certificate_ref" text,
	"observed_not_after" timestamp (3) with time zone,
	"drift_state" text,
	"drift_since" timestamp (3) with time zone,
	"cert_failure_policy" text DEFAULT 'standard' NOT NULL,
	"cert_failure_count" integer DEFAULT 0 NOT NULL,
	"cert_retry_backoff_seconds" integer DEFAULT 0 NOT NULL,
	"cert_next_retry_at" timestamp (3) with time zone,
	"cert_last_failure_at" timestamp (3) with time zone,
	"cert_last_event_id" uuid,
	"cert_last_event_type" text,
	"cert_last_event_at" timestamp (3) with time zone,
	"cert_renewal_due_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "custom_domains_failure_count" CHECK ("custom_domains"."cert_failure_count" >= 0)
);
--> statement-breakpoint
CREATE TABLE "cert_event_attempts" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"event_id" uuid NOT NULL,
	"generation" integer NOT NULL,
	"attempt" integer NOT NULL,
	"error_class" text NOT NULL,
	"error" text NOT NULL,
	"next_retry_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "cert_event_replays" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"event_id" uuid NOT NULL,
	"generation" integer NOT NULL,
	"actor" text NOT NULL,
	"reason" text,
	"created_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "certificate_lifecycle_events" (
	"id" uuid PRIMARY KEY NOT NULL,
	"source" text NOT NULL,
	"source_event_id" text,
	"cluster_id" text,
	"org_id" text,
	"domain_id" uuid,
	"domain" text collate "C" NOT NULL,
	"event_type" text NOT NULL,
	"status" text DEFAULT 'pending' NOT NULL,
	"outcome" text,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"certificate_ref" text,
	"not_before" timestamp (3) with time zone,
	"not_after" timestamp (3) with time zone,
	"renewal_due_at" timestamp (3) with time zone,
	"reason" text,
	"payload_json" jsonb,
	"retry_count" integer DEFAULT 0 NOT NULL,
	"next_retry_at" timestamp (3) with time zone,
	"last_error" text,
	"error_class" text,
	"provenance_subject" text,
	"provenance_verified" boolean DEFAULT false NOT NULL,
	"callback_class" text,
	"callback_action" text,
	"callback_attempt" smallint,
	"callback_received_at" timestamp (3) with time zone,
	"dlq_replay_count" integer DEFAULT 0 NOT NULL,
	"last_dlq_replayed_at" timestamp (3) with time zone,
	"generation" integer DEFAULT 0 NOT NULL,
	"group_id" uuid NOT NULL,
	"content_hash" "bytea" NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"updated_at" timestamp (3) with time zone NOT NULL,
	"processed_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "certificate_incidents" (
	"id" uuid PRIMARY KEY NOT NULL,
	"domain_id" uuid NOT NULL,
	"org_id" text,
	"domain" text collate "C" NOT NULL,
	"incident_type" text NOT NULL,
	"tier" smallint NOT NULL,
	"status" text DEFAULT 'open' NOT NULL,
	"event_id" uuid,
	"source" text,
	"cluster_id" text,
	"reason" text,
	"context" jsonb NOT NULL,
	"acknowledged_at" timestamp (3) with time zone,
	"acknowledged_by" text,
	"acknowledge_note" text,
	"resolved_at" timestamp (3) with time zone,
	"resolved_by" text,
	"resolve_note" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	"updated_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "certificate_incidents_tier" CHECK ("certificate_incidents"."tier" between 1 and 3)
);
--> statement-breakpoint
CREATE TABLE "tunnels" (
	"id" uuid PRIMARY KEY NOT NULL,
	"org_id" text,
	"region" text NOT NULL,
	"protocol" text DEFAULT 'https' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "custom_domains" ADD CONSTRAINT "custom_domains_target_tunnel_id_tunnels_id_fk" FOREIGN KEY ("target_tunnel_id") REFERENCES "public"."tunnels"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "renewal_deadlines_due" ON "renewal_deadlines" USING btree ("due_at");--> statement-breakpoint
CREATE UNIQUE INDEX "cert_sources_identity" ON "cert_sources" USING btree ("source","cluster_id");--> statement-breakpoint
CREATE UNIQUE INDEX "custom_domains_domain" ON "custom_domains" USING btree ("domain");--> statement-breakpoint
CREATE INDEX "custom_domains_suffix" ON "custom_domains" USING btree (reverse("domain"));--> statement-breakpoint
CREATE INDEX "custom_domains_org" ON "custom_domains" USING btree ("org_id","domain");--> statement-breakpoint
CREATE INDEX "custom_domains_region" ON "custom_domains" USING btree ("region","domain");--> statement-breakpoint
CREATE INDEX "custom_domains_unhealthy" ON "custom_domains" USING btree ("tls_status","domain") WHERE "custom_domains"."tls_status" <> 'issued';--> statement-breakpoint
CREATE INDEX "custom_domains_drift" ON "custom_domains" USING btree ("drift_state","domain") WHERE "custom_domains"."drift_state" <> 'in_step';--> statement-breakpoint
CREATE INDEX "cert_event_attempts_event" ON "cert_event_attempts" USING btree ("event_id","id");--> statement-breakpoint
CREATE INDEX "cert_event_replays_event" ON "cert_event_replays" USING btree ("event_id","id");--> statement-breakpoint
CREATE UNIQUE INDEX "cert_events_identity" ON "certificate_lifecycle_events" USING btree ("source",coalesce("cluster_id", ''),"source_event_id") WHERE "certificate_lifecycle_events"."source_event_id" is not null;--> statement-breakpoint
CREATE INDEX "cert_events_domain" ON "certificate_lifecycle_events" USING btree ("domain","id");--> statement-breakpoint
CREATE INDEX "cert_events_source" ON "certificate_lifecycle_events" USING btree ("source","id");--> statement-breakpoint
CREATE INDEX "cert_events_cluster" ON "certificate_lifecycle_events" USING btree ("cluster_id","id") WHERE "certificate_lifecycle_events"."cluster_id" is not null;--> statement-breakpoint
CREATE INDEX "cert_events_unresolved" ON "certificate_lifecycle_events" USING btree ("id") WHERE "certificate_lifecycle_events"."domain_id" is null;--> statement-breakpoint
CREATE INDEX "cert_events_type" ON "certificate_lifecycle_events" USING btree ("event_type","id");--> statement-breakpoint
CREATE INDEX "cert_events_org" ON "certificate_lifecycle_events" USING btree ("org_id","id") WHERE "certificate_lifecycle_events"."org_id" is not null;--> statement-breakpoint
CREATE INDEX "cert_events_error" ON "certificate_lifecycle_events" USING btree ("error_class","id") WHERE "certificate_lifecycle_events"."error_class" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "certificate_incidents_live" ON "certificate_incidents" USING btree ("domain","incident_type") WHERE "certificate_incidents"."status" <> 'resolved';--> statement-breakpoint
CREATE INDEX "certificate_incidents_status" ON "certificate_incidents" USING btree ("status","id");--> statement-breakpoint
CREATE INDEX "certificate_incidents_domain" ON "certificate_incidents" USING btree ("domain","id");--> statement-breakpoint
CREATE UNIQUE INDEX "tunnels_org_region" ON "tunnels" USING btree (coalesce("org_id", ''),"region");--> statement-breakpoint
CREATE VIEW "public"."cert_event_source_activity" AS (
  select s.source, nullif(s.cluster_id, '') as cluster_id, s.last_event_id, s.last_event_type,
         e.status as last_status, s.events_total, s.signature_failures, s.last_seen_at
  from "cert_sources" s
  left join "certificate_lifecycle_events" e on e.id = s.last_event_id);