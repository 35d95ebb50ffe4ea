-- Each domain's row in domain_clocks. A clock is written only when it changes, so that a claim of the probe sweep, which
-- moves probe_due_at ahead here and only here, stands until the probe's own result or a change of the domain.
DROP TRIGGER keep_deadlines_insert ON custom_domains;
--> statement-breakpoint
DROP TRIGGER keep_deadlines_update ON custom_domains;
--> statement-breakpoint
DROP TRIGGER keep_deadlines_delete ON custom_domains;
--> statement-breakpoint
DROP FUNCTION keep_deadlines();
--> statement-breakpoint
CREATE FUNCTION keep_clocks() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO domain_clocks (domain_id, renewal_due_at, look_due_at, probe_due_at, ari_due_at)
    SELECT id,
      CASE WHEN verified AND tls_mode = 'termination' THEN renewal_due_at END, look_due_at,
      CASE WHEN verified AND tls_mode = 'termination' AND target_tunnel_id IS NOT NULL THEN probe_due_at END,
      CASE WHEN verified AND tls_mode = 'termination' THEN ari_due_at END
    FROM after_rows;
  ELSIF TG_OP = 'DELETE' THEN
    DELETE FROM domain_clocks c USING before_rows b WHERE c.domain_id = b.id;
  ELSE
    UPDATE domain_clocks c SET
      renewal_due_at = n.renewal, look_due_at = n.look, ari_due_at = n.ari,
      probe_due_at = CASE WHEN n.probe_changed THEN n.probe ELSE c.probe_due_at END
    FROM (
      SELECT a.id, a.renewal, a.look, a.ari, a.probe, a.probe IS DISTINCT FROM b.probe AS probe_changed
      FROM (
        SELECT id, look_due_at AS look,
          CASE WHEN verified AND tls_mode = 'termination' THEN renewal_due_at END AS renewal,
          CASE WHEN verified AND tls_mode = 'termination' AND target_tunnel_id IS NOT NULL THEN probe_due_at END AS probe,
          CASE WHEN verified AND tls_mode = 'termination' THEN ari_due_at END AS ari
        FROM after_rows) a
      JOIN (
        SELECT id, look_due_at AS look,
          CASE WHEN verified AND tls_mode = 'termination' THEN renewal_due_at END AS renewal,
          CASE WHEN verified AND tls_mode = 'termination' AND target_tunnel_id IS NOT NULL THEN probe_due_at END AS probe,
          CASE WHEN verified AND tls_mode = 'termination' THEN ari_due_at END AS ari
        FROM before_rows) b ON b.id = a.id
      WHERE (a.renewal, a.look, a.probe, a.ari) IS DISTINCT FROM (b.renewal, b.look, b.probe, b.ari)
    ) n
    WHERE c.domain_id = n.id;
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER keep_clocks_insert AFTER INSERT ON custom_domains
  REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION keep_clocks();
--> statement-breakpoint
CREATE TRIGGER keep_clocks_update AFTER UPDATE ON custom_domains
  REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION keep_clocks();
--> statement-breakpoint
CREATE TRIGGER keep_clocks_delete AFTER DELETE ON custom_domains
  REFERENCING OLD TABLE AS before_rows FOR EACH STATEMENT EXECUTE FUNCTION keep_clocks();
--> statement-breakpoint
-- What events said before this version is carried over: the state that the fold loads, and the clocks.
UPDATE custom_domains SET
  cert_last_error = tls_last_error, cert_due_current = cert_renewal_due_at IS NOT NULL, renewal_due_at = cert_renewal_due_at,
  renewal_due_source = CASE WHEN cert_renewal_due_at IS NOT NULL THEN 'event' END, look_due_at = now(),
  cert_last_success_at = CASE WHEN cert_last_event_type IN ('issuance_succeeded', 'renewal_succeeded') THEN cert_last_event_at END;
--> statement-breakpoint
INSERT INTO domain_clocks (domain_id, renewal_due_at, look_due_at, probe_due_at)
SELECT id, CASE WHEN verified AND tls_mode = 'termination' THEN renewal_due_at END, look_due_at,
  CASE WHEN verified AND tls_mode = 'termination' AND target_tunnel_id IS NOT NULL THEN probe_due_at END
FROM custom_domains;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION count_domains() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO domain_counts (org_id, region, tls_status, drift_state, n, last_event_at)
    SELECT org_id, region, tls_status, drift_state, count(*), max(cert_last_event_at) FROM after_rows GROUP BY 1, 2, 3, 4;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO domain_counts (org_id, region, tls_status, drift_state, n)
    SELECT org_id, region, tls_status, drift_state, -count(*) FROM before_rows GROUP BY 1, 2, 3, 4;
  ELSE
    INSERT INTO domain_counts (org_id, region, tls_status, drift_state, n, last_event_at)
    SELECT org_id, region, tls_status, drift_state, sum(n), max(last_event_at)
    FROM (
      SELECT a.org_id, a.region, a.tls_status, a.drift_state, 1 AS n,
        CASE WHEN a.cert_last_event_at IS DISTINCT FROM b.cert_last_event_at THEN a.cert_last_event_at END AS last_event_at
      FROM after_rows a JOIN before_rows b ON b.id = a.id
      UNION ALL
      SELECT org_id, region, tls_status, drift_state, -1, NULL FROM before_rows
    ) AS change
    GROUP BY 1, 2, 3, 4
    HAVING sum(n) <> 0 OR max(last_event_at) IS NOT NULL;
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
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
END $$;
--> statement-breakpoint
ALTER TABLE domain_clocks SET (fillfactor = 70);
--> statement-breakpoint
ALTER TABLE domain_addresses SET (fillfactor = 70);
