CREATE TABLE "notification_counts" (
	"org_id" text,
	"channel" text NOT NULL,
	"class" text NOT NULL,
	"status" text NOT NULL,
	"n" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "source_hours" (
	"source" text NOT NULL,
	"cluster_id" text NOT NULL,
	"hour" integer NOT NULL,
	"n" bigint NOT NULL
);
--> statement-breakpoint
CREATE INDEX "certificate_notifications_name" ON "certificate_notifications" USING btree ("domain","seq");--> statement-breakpoint
CREATE INDEX "certificate_notifications_org" ON "certificate_notifications" USING btree ("org_id","seq");--> statement-breakpoint
CREATE INDEX "certificate_notifications_channel" ON "certificate_notifications" USING btree ("channel","status","seq");--> statement-breakpoint
CREATE INDEX "certificate_notifications_created" ON "certificate_notifications" USING btree ("created_at");
--> statement-breakpoint
INSERT INTO notification_counts (org_id, channel, class, status, n)
SELECT org_id, channel, class, status, count(*) FROM certificate_notifications GROUP BY 1, 2, 3, 4;
--> statement-breakpoint
CREATE FUNCTION count_notifications() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO notification_counts (org_id, channel, class, status, n)
    SELECT org_id, channel, class, status, count(*) FROM after_rows GROUP BY 1, 2, 3, 4;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO notification_counts (org_id, channel, class, status, n)
    SELECT org_id, channel, class, status, -count(*) FROM before_rows GROUP BY 1, 2, 3, 4;
  ELSIF TG_OP = 'TRUNCATE' THEN
    DELETE FROM notification_counts;
  ELSE
    INSERT INTO notification_counts (org_id, channel, class, status, n)
    SELECT org_id, channel, class, status, sum(n)
    FROM (
      SELECT org_id, channel, class, status, 1 AS n FROM after_rows
      UNION ALL
      SELECT org_id, channel, class, status, -1 FROM before_rows
    ) AS change
    GROUP BY 1, 2, 3, 4
    HAVING sum(n) <> 0;
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER count_notifications_insert AFTER INSERT ON certificate_notifications
  REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION count_notifications();
--> statement-breakpoint
CREATE TRIGGER count_notifications_update AFTER UPDATE ON certificate_notifications
  REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION count_notifications();
--> statement-breakpoint
CREATE TRIGGER count_notifications_delete AFTER DELETE ON certificate_notifications
  REFERENCING OLD TABLE AS before_rows FOR EACH STATEMENT EXECUTE FUNCTION count_notifications();
--> statement-breakpoint
CREATE TRIGGER count_notifications_truncate AFTER TRUNCATE ON certificate_notifications
  FOR EACH STATEMENT EXECUTE FUNCTION count_notifications();
--> statement-breakpoint
INSERT INTO source_hours (source, cluster_id, hour, n)
SELECT source, coalesce(cluster_id, ''), hour_of(id), count(*) FROM certificate_lifecycle_events
WHERE created_at > now() - interval '49 hours' GROUP BY 1, 2, 3;
--> statement-breakpoint
-- As before, and by sender. What was received stays received: deleting events does not lower a sender's rate.
CREATE OR REPLACE FUNCTION count_hours() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO event_hours (hour, n) SELECT hour_of(id), count(*) FROM after_rows GROUP BY 1;
    INSERT INTO source_hours (source, cluster_id, hour, n)
    SELECT source, coalesce(cluster_id, ''), hour_of(id), count(*) FROM after_rows GROUP BY 1, 2, 3;
  ELSE
    INSERT INTO event_hours (hour, n) SELECT hour_of(id), -count(*) FROM before_rows GROUP BY 1;
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
-- As before, and the counts of notifications and of senders by hour, those of the last two days.
CREATE OR REPLACE FUNCTION compact_counts() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH taken AS (DELETE FROM domain_counts RETURNING *)
  INSERT INTO domain_counts (org_id, region, tls_status, drift_state, n, last_event_at)
  SELECT org_id, region, tls_status, drift_state, sum(n), max(last_event_at) FROM taken GROUP BY 1, 2, 3, 4 HAVING sum(n) <> 0;
  WITH taken AS (DELETE FROM event_counts RETURNING *)
  INSERT INTO event_counts (org_id, source, cluster_id, event_type, status, error_class, resolved, n)
  SELECT org_id, source, cluster_id, event_type, status, error_class, resolved, sum(n)
  FROM taken GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(n) <> 0;
  WITH taken AS (DELETE FROM event_hours RETURNING *)
  INSERT INTO event_hours (hour, n) SELECT hour, sum(n) FROM taken GROUP BY 1 HAVING sum(n) <> 0;
  WITH taken AS (DELETE FROM incident_counts RETURNING *)
  INSERT INTO incident_counts (org_id, source, cluster_id, incident_type, tier, status, n)
  SELECT org_id, source, cluster_id, incident_type, tier, status, sum(n)
  FROM taken GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(n) <> 0;
  WITH taken AS (DELETE FROM notification_counts RETURNING *)
  INSERT INTO notification_counts (org_id, channel, class, status, n)
  SELECT org_id, channel, class, status, sum(n) FROM taken GROUP BY 1, 2, 3, 4 HAVING sum(n) <> 0;
  WITH taken AS (DELETE FROM source_hours RETURNING *)
  INSERT INTO source_hours (source, cluster_id, hour, n)
  SELECT source, cluster_id, hour, sum(n) FROM taken
  WHERE hour > (SELECT max(hour) FROM taken) - 49 GROUP BY 1, 2, 3 HAVING sum(n) <> 0;
END $$;
