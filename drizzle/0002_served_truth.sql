CREATE TABLE "counters" (
	"name" text NOT NULL,
	"labels" text DEFAULT '' NOT NULL,
	"value" bigint NOT NULL,
	CONSTRAINT "counters_pkey" PRIMARY KEY("name","labels")
);
--> statement-breakpoint
CREATE TABLE "domain_clocks" (
	"domain_id" uuid PRIMARY KEY NOT NULL,
	"renewal_due_at" timestamp (3) with time zone,
	"look_due_at" timestamp (3) with time zone,
	"probe_due_at" timestamp (3) with time zone,
	"ari_due_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "certificate_alerts" (
	"key" text PRIMARY KEY NOT NULL,
	"domain_id" uuid NOT NULL,
	"class" text NOT NULL,
	"severity" text NOT NULL,
	"route" text NOT NULL,
	"cycle" text NOT NULL,
	"fired_at" timestamp (3) with time zone NOT NULL,
	"alerted_at" timestamp (3) with time zone NOT NULL,
	"alert_count" integer NOT NULL,
	"runbook_at" timestamp (3) with time zone NOT NULL,
	"runbook_count" integer NOT NULL,
	"channels" text[] NOT NULL,
	"summary" text NOT NULL,
	"body" jsonb NOT NULL
);
--> statement-breakpoint
CREATE TABLE "domain_addresses" (
	"domain_id" uuid NOT NULL,
	"address" text NOT NULL,
	"certificate_ref" text,
	"tls_not_before" timestamp (3) with time zone,
	"tls_not_after" timestamp (3) with time zone,
	"chain_not_after" timestamp (3) with time zone,
	"verdict" text NOT NULL,
	"error" text,
	"depth" text NOT NULL,
	"full_verdict" text,
	"full_error" text,
	"fully_checked_at" timestamp (3) with time zone,
	"checked_at" timestamp (3) with time zone NOT NULL,
	"failures" integer DEFAULT 0 NOT NULL,
	"details" jsonb,
	CONSTRAINT "domain_addresses_pkey" PRIMARY KEY("domain_id","address")
);
--> statement-breakpoint
CREATE TABLE "notification_attempts" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"notification_id" uuid NOT NULL,
	"attempt" integer NOT NULL,
	"delivered" boolean NOT NULL,
	"status" integer,
	"error" text,
	"snippet" text,
	"duration_ms" integer NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "certificate_notifications" (
	"seq" bigserial PRIMARY KEY NOT NULL,
	"id" uuid NOT NULL,
	"kind" text NOT NULL,
	"action" text NOT NULL,
	"alert_key" text NOT NULL,
	"class" text NOT NULL,
	"severity" text NOT NULL,
	"route" text NOT NULL,
	"channel" text NOT NULL,
	"domain_id" uuid NOT NULL,
	"domain" text NOT NULL,
	"org_id" text,
	"summary" text NOT NULL,
	"body" jsonb NOT NULL,
	"status" text DEFAULT 'pending' NOT NULL,
	"tries" integer DEFAULT 0 NOT NULL,
	"requeues" integer DEFAULT 0 NOT NULL,
	"next_attempt_at" timestamp (3) with time zone,
	"last_error" text,
	"fired_at" timestamp (3) with time zone NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"updated_at" timestamp (3) with time zone NOT NULL,
	"sent_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "probe_observations" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"domain_id" uuid NOT NULL,
	"address" text NOT NULL,
	"certificate_ref" text,
	"tls_not_after" timestamp (3) with time zone,
	"verdict" text NOT NULL,
	"error" text,
	"depth" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "domain_counts" ADD COLUMN "drift_state" text;--> statement-breakpoint
ALTER TABLE "custom_domains" ADD COLUMN "certificate_filled" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "custom_domains" ADD COLUMN "tls_fault" text;--> statement-breakpoint
ALTER TABLE "custom_domains" ADD COLUMN "tls_fault_error" text;--> statement-breakpoint
ALTER TABLE "custom_domains" ADD COLUMN "observed_not_before" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "custom_domains" ADD COLUMN "probe_due_at" timestamp (3) with time zone DEFAULT now() NOT NULL;--> statement-breakpoint
ALTER TABLE "custom_domains" ADD COLUMN "probe_checks" smallint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "custom_domains" ADD COLUMN "probe_failures" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "custom_domains" ADD COLUMN "expiry_warn_percent" smallint;--> statement-breakpoint
ALTER TABLE "custom_domains" ADD COLUMN "ca_directory" text;--> statement-breakpoint
ALTER TABLE "custom_domains" ADD COLUMN "ari_id" text;--> statement-breakpoint
ALTER TABLE "custom_domains" ADD COLUMN "ari_certificate_ref" text;--> statement-breakpoint
ALTER TABLE "custom_domains" ADD COLUMN "ari_window_end" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "custom_domains" ADD COLUMN "ari_due_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "custom_domains" ADD COLUMN "cert_due_current" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "custom_domains" ADD COLUMN "cert_last_success_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "custom_domains" ADD COLUMN "cert_last_error" text;--> statement-breakpoint
ALTER TABLE "custom_domains" ADD COLUMN "renewal_due_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "custom_domains" ADD COLUMN "renewal_due_source" text;--> statement-breakpoint
ALTER TABLE "custom_domains" ADD COLUMN "look_due_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "custom_domains" ADD COLUMN "alerting" boolean DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX "domain_clocks_renewal" ON "domain_clocks" USING btree ("renewal_due_at");--> statement-breakpoint
CREATE INDEX "domain_clocks_look" ON "domain_clocks" USING btree ("look_due_at");--> statement-breakpoint
CREATE INDEX "domain_clocks_probe" ON "domain_clocks" USING btree ("probe_due_at");--> statement-breakpoint
CREATE INDEX "domain_clocks_ari" ON "domain_clocks" USING btree ("ari_due_at") WHERE "domain_clocks"."ari_due_at" is not null;--> statement-breakpoint
CREATE INDEX "certificate_alerts_domain" ON "certificate_alerts" USING btree ("domain_id");--> statement-breakpoint
CREATE INDEX "notification_attempts_notification" ON "notification_attempts" USING btree ("notification_id","id");--> statement-breakpoint
CREATE UNIQUE INDEX "certificate_notifications_id" ON "certificate_notifications" USING btree ("id");--> statement-breakpoint
CREATE INDEX "certificate_notifications_due" ON "certificate_notifications" USING btree ("channel","next_attempt_at") WHERE "certificate_notifications"."next_attempt_at" is not null;--> statement-breakpoint
CREATE INDEX "certificate_notifications_waiting" ON "certificate_notifications" USING btree ("channel","alert_key","seq") WHERE "certificate_notifications"."status" in ('pending', 'failed');--> statement-breakpoint
CREATE INDEX "certificate_notifications_status" ON "certificate_notifications" USING btree ("status","seq");--> statement-breakpoint
CREATE INDEX "certificate_notifications_domain" ON "certificate_notifications" USING btree ("domain_id","seq");--> statement-breakpoint
CREATE INDEX "probe_observations_domain" ON "probe_observations" USING btree ("domain_id","id");