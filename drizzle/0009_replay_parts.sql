CREATE TABLE "replay_parts" (
	"replay_id" bigint NOT NULL,
	"part" integer NOT NULL,
	"event_ids" uuid[] NOT NULL,
	"ended_ms" bigint[] NOT NULL,
	CONSTRAINT "replay_parts_pkey" PRIMARY KEY("replay_id","part")
);
--> statement-breakpoint
DROP INDEX "cert_event_replays_unsettled";--> statement-breakpoint
ALTER TABLE "replays" ADD COLUMN "looked" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "replays" ADD COLUMN "retrying" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "replays" ADD COLUMN "seen_applied" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "replays" ADD COLUMN "seen_failed" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "replay_parts" ADD CONSTRAINT "replay_parts_replay_id_replays_id_fk" FOREIGN KEY ("replay_id") REFERENCES "public"."replays"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "cert_event_replays_bulk" ON "cert_event_replays" USING btree ("replay_id","result","id") WHERE "cert_event_replays"."replay_id" is not null;