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
-- Each domain's own row in renewal_deadlines; written only when it changes.
CREATE FUNCTION keep_deadlines() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO renewal_deadlines (domain_id, due_at)
    SELECT id, cert_renewal_due_at FROM after_rows
    WHERE verified AND tls_mode = 'termination' AND cert_renewal_due_at IS NOT NULL;
  ELSIF TG_OP = 'DELETE' THEN
    DELETE FROM renewal_deadlines d USING before_rows b WHERE d.domain_id = b.id;
  ELSE
    INSERT INTO renewal_deadlines AS d (domain_id, due_at)
    SELECT id, cert_renewal_due_at FROM after_rows
    WHERE verified AND tls_mode = 'termination' AND cert_renewal_due_at IS NOT NULL
    ON CONFLICT (domain_id) DO UPDATE SET due_at = excluded.due_at WHERE d.due_at <> excluded.due_at;
    IF EXISTS (SELECT FROM after_rows WHERE NOT verified OR tls_mode <> 'termination' OR cert_renewal_due_at IS NULL) THEN
      DELETE FROM renewal_deadlines d USING after_rows a
      WHERE d.domain_id = a.id AND (NOT a.verified OR a.tls_mode <> 'termination' OR a.cert_renewal_due_at IS NULL);
    END IF;
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER keep_deadlines_insert AFTER INSERT ON custom_domains
  REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION keep_deadlines();
--> statement-breakpoint
CREATE TRIGGER count_domains_insert AFTER INSERT ON custom_domains
  REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION count_domains();
--> statement-breakpoint
CREATE TRIGGER keep_deadlines_update AFTER UPDATE ON custom_domains
  REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION keep_deadlines();
--> statement-breakpoint
CREATE TRIGGER count_domains_update AFTER UPDATE ON custom_domains
  REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION count_domains();
--> statement-breakpoint
CREATE TRIGGER keep_deadlines_delete AFTER DELETE ON custom_domains
  REFERENCING OLD TABLE AS before_rows FOR EACH STATEMENT EXECUTE FUNCTION keep_deadlines();
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
--> statement-breakpoint
-- The events that are not applied, each under its status. The plans of a function are kept as they were made at its first
-- call, when the table may have been empty: with sequential scans off they are right for every size.
CREATE FUNCTION keep_unfinished() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  pending uuid[];
  failed uuid[];
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO unfinished_events (status, event_id) SELECT status, id FROM after_rows WHERE status <> 'applied';
    RETURN NULL;
  END IF;
  IF TG_OP = 'DELETE' THEN
    SELECT array_agg(id) FILTER (WHERE status = 'pending'), array_agg(id) FILTER (WHERE status = 'failed')
    INTO pending, failed FROM before_rows;
  ELSE
    SELECT array_agg(b.id) FILTER (WHERE b.status = 'pending'), array_agg(b.id) FILTER (WHERE b.status = 'failed')
    INTO pending, failed FROM before_rows b JOIN after_rows a ON a.id = b.id WHERE a.status <> b.status;
  END IF;
  IF pending IS NOT NULL THEN
    DELETE FROM unfinished_events WHERE status = 'pending' AND event_id = ANY (pending);
  END IF;
  IF failed IS NOT NULL THEN
    DELETE FROM unfinished_events WHERE status = 'failed' AND event_id = ANY (failed);
  END IF;
  IF TG_OP = 'UPDATE' THEN
    INSERT INTO unfinished_events (status, event_id)
    SELECT a.status, a.id FROM after_rows a JOIN before_rows b ON b.id = a.id
    WHERE a.status <> b.status AND a.status <> 'applied';
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER keep_unfinished_insert AFTER INSERT ON certificate_lifecycle_events
  REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION keep_unfinished();
--> statement-breakpoint
CREATE TRIGGER keep_unfinished_update AFTER UPDATE ON certificate_lifecycle_events
  REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION keep_unfinished();
--> statement-breakpoint
CREATE TRIGGER keep_unfinished_delete AFTER DELETE ON certificate_lifecycle_events
  REFERENCING OLD TABLE AS before_rows FOR EACH STATEMENT EXECUTE FUNCTION keep_unfinished();
--> statement-breakpoint
-- Room on each page for the one change that every event sees, and for domains to be changed in place.
ALTER TABLE certificate_lifecycle_events SET (fillfactor = 50);
--> statement-breakpoint
ALTER TABLE custom_domains SET (fillfactor = 70);
