-- Counts are kept as signed deltas, one row per statement and key. Readers sum; compact_counts() folds.
CREATE FUNCTION count_domains() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO domain_counts (org_id, region, tls_status, n, last_event_at)
    SELECT org_id, region, tls_status, count(*), max(cert_last_event_at) FROM after_rows GROUP BY 1, 2, 3;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO domain_counts (org_id, region, tls_status, n)
    SELECT org_id, region, tls_status, -count(*) FROM before_rows GROUP BY 1, 2, 3;
  ELSE
    INSERT INTO domain_counts (org_id, region, tls_status, n, last_event_at)
    SELECT org_id, region, tls_status, sum(n), max(last_event_at)
    FROM (
      SELECT org_id, region, tls_status, 1 AS n, cert_last_event_at AS last_event_at FROM after_rows
      UNION ALL
      SELECT org_id, region, tls_status, -1, NULL FROM before_rows
    ) AS change
    GROUP BY 1, 2, 3
    HAVING sum(n) <> 0 OR max(last_event_at) IS NOT NULL;
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER count_domains_insert AFTER INSERT ON custom_domains
  REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION count_domains();
--> statement-breakpoint
CREATE TRIGGER count_domains_update AFTER UPDATE ON custom_domains
  REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION count_domains();
--> statement-breakpoint
CREATE TRIGGER count_domains_delete AFTER DELETE ON custom_domains
  REFERENCING OLD TABLE AS before_rows FOR EACH STATEMENT EXECUTE FUNCTION count_domains();
--> statement-breakpoint
CREATE FUNCTION count_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO event_counts (org_id, source, cluster_id, event_type, status, error_class, resolved, n)
    SELECT org_id, source, cluster_id, event_type, status, error_class, domain_id IS NOT NULL, count(*)
    FROM after_rows GROUP BY 1, 2, 3, 4, 5, 6, 7;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO event_counts (org_id, source, cluster_id, event_type, status, error_class, resolved, n)
    SELECT org_id, source, cluster_id, event_type, status, error_class, domain_id IS NOT NULL, -count(*)
    FROM before_rows GROUP BY 1, 2, 3, 4, 5, 6, 7;
  ELSE
    INSERT INTO event_counts (org_id, source, cluster_id, event_type, status, error_class, resolved, n)
    SELECT org_id, source, cluster_id, event_type, status, error_class, resolved, sum(n)
    FROM (
      SELECT org_id, source, cluster_id, event_type, status, error_class, domain_id IS NOT NULL AS resolved, 1 AS n FROM after_rows
      UNION ALL
      SELECT org_id, source, cluster_id, event_type, status, error_class, domain_id IS NOT NULL, -1 FROM before_rows
    ) AS change
    GROUP BY 1, 2, 3, 4, 5, 6, 7
    HAVING sum(n) <> 0;
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER count_events_insert AFTER INSERT ON certificate_lifecycle_events
  REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION count_events();
--> statement-breakpoint
CREATE TRIGGER count_events_update AFTER UPDATE ON certificate_lifecycle_events
  REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION count_events();
--> statement-breakpoint
CREATE TRIGGER count_events_delete AFTER DELETE ON certificate_lifecycle_events
  REFERENCING OLD TABLE AS before_rows FOR EACH STATEMENT EXECUTE FUNCTION count_events();
--> statement-breakpoint
-- The hour of receipt of an event, in hours since 1970, as its UUIDv7 has it.
CREATE FUNCTION hour_of(id uuid) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
  SELECT ((('x' || substr(id::text, 1, 8) || substr(id::text, 10, 4))::bit(48)::bigint) / 3600000)::integer
$$;
--> statement-breakpoint
CREATE FUNCTION count_hours() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO event_hours (hour, n) SELECT hour_of(id), count(*) FROM after_rows GROUP BY 1;
  ELSE
    INSERT INTO event_hours (hour, n) SELECT hour_of(id), -count(*) FROM before_rows GROUP BY 1;
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER count_hours_insert AFTER INSERT ON certificate_lifecycle_events
  REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION count_hours();
--> statement-breakpoint
CREATE TRIGGER count_hours_delete AFTER DELETE ON certificate_lifecycle_events
  REFERENCING OLD TABLE AS before_rows FOR EACH STATEMENT EXECUTE FUNCTION count_hours();
--> statement-breakpoint
CREATE FUNCTION count_incidents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO incident_counts (org_id, source, cluster_id, incident_type, tier, status, n)
    SELECT org_id, source, cluster_id, incident_type, tier, status, count(*) FROM after_rows GROUP BY 1, 2, 3, 4, 5, 6;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO incident_counts (org_id, source, cluster_id, incident_type, tier, status, n)
    SELECT org_id, source, cluster_id, incident_type, tier, status, -count(*) FROM before_rows GROUP BY 1, 2, 3, 4, 5, 6;
  ELSE
    INSERT INTO incident_counts (org_id, source, cluster_id, incident_type, tier, status, n)
    SELECT org_id, source, cluster_id, incident_type, tier, status, sum(n)
    FROM (
      SELECT org_id, source, cluster_id, incident_type, tier, status, 1 AS n FROM after_rows
      UNION ALL
      SELECT org_id, source, cluster_id, incident_type, tier, status, -1 FROM before_rows
    ) AS change
    GROUP BY 1, 2, 3, 4, 5, 6
    HAVING sum(n) <> 0;
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER count_incidents_insert AFTER INSERT ON certificate_incidents
  REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION count_incidents();
--> statement-breakpoint
CREATE TRIGGER count_incidents_update AFTER UPDATE ON certificate_incidents
  REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION count_incidents();
--> statement-breakpoint
CREATE TRIGGER count_incidents_delete AFTER DELETE ON certificate_incidents
  REFERENCING OLD TABLE AS before_rows FOR EACH STATEMENT EXECUTE FUNCTION count_incidents();
--> statement-breakpoint
CREATE FUNCTION compact_counts() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH taken AS (DELETE FROM domain_counts RETURNING *)
  INSERT INTO domain_counts (org_id, region, tls_status, n, last_event_at)
  SELECT org_id, region, tls_status, sum(n), max(last_event_at) FROM taken GROUP BY 1, 2, 3 HAVING sum(n) <> 0;
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
END $$;
