CREATE TABLE "event_identities" (
	"digest" "bytea" PRIMARY KEY NOT NULL,
	"event_id" uuid NOT NULL,
	"content_hash" "bytea" NOT NULL,
	"noted_at" timestamp (3) with time zone NOT NULL,
	"removed_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "retention_walks" (
	"name" text PRIMARY KEY NOT NULL,
	"position" text,
	"started_at" timestamp (3) with time zone,
	"finished_at" timestamp (3) with time zone,
	"removed" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE INDEX "event_identities_noted" ON "event_identities" USING btree ("noted_at") WHERE "event_identities"."removed_at" is null;--> statement-breakpoint
CREATE INDEX "event_identities_removed" ON "event_identities" USING btree ("removed_at") WHERE "event_identities"."removed_at" is not null;--> statement-breakpoint
-- What tells an event apart, in sixteen bytes. Lengths go before the parts, so that no two of them can run together.
CREATE FUNCTION event_identity(source text, cluster_id text, source_event_id text) RETURNS bytea
  LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT substr(sha256(convert_to(
    length(source)::text || ':' || source || length(coalesce(cluster_id, ''))::text || ':' || coalesce(cluster_id, '') || source_event_id,
    'UTF8')), 1, 16)
$$;
