CREATE TABLE "expiry_counts" (
	"id" smallint PRIMARY KEY NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"took_ms" integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE "expiry_days" (
	"org_id" text NOT NULL,
	"day" integer NOT NULL,
	"domains" integer NOT NULL,
	"overdue" integer NOT NULL,
	CONSTRAINT "expiry_days_pkey" PRIMARY KEY("org_id","day")
);
--> statement-breakpoint
CREATE TABLE "policy_reports" (
	"id" smallint PRIMARY KEY NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"report" jsonb NOT NULL
);
--> statement-breakpoint
ALTER TABLE "certificate_alerts" ALTER COLUMN "domain_id" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "certificate_notifications" ALTER COLUMN "domain_id" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "certificate_notifications" ALTER COLUMN "domain" DROP NOT NULL;--> statement-breakpoint
CREATE INDEX "dead_letters_looping" ON "dead_letters" USING btree ("failed_at") WHERE "dead_letters"."replays" >= 3;--> statement-breakpoint
CREATE INDEX "certificate_alerts_class" ON "certificate_alerts" USING btree ("class","fired_at");