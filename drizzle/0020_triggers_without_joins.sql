-- As before, but without joins of the old rows with the new ones. PL/pgSQL keeps the plan of a connection's first change: made for
-- one row it is a nested loop, which compares five hundred rows with five hundred from then on. EXCEPT hashes or sorts.
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
      SELECT org_id, region, tls_status, drift_state, 1 AS n, cert_last_event_at AS last_event_at
      FROM (
        SELECT id, org_id, region, tls_status, drift_state, cert_last_event_at FROM after_rows
        EXCEPT SELECT id, org_id, region, tls_status, drift_state, cert_last_event_at FROM before_rows) AS came
      UNION ALL
      SELECT org_id, region, tls_status, drift_state, -1, NULL
      FROM (
        SELECT id, org_id, region, tls_status, drift_state, cert_last_event_at FROM before_rows
        EXCEPT SELECT id, org_id, region, tls_status, drift_state, cert_last_event_at FROM after_rows) AS went
    ) AS change
    GROUP BY 1, 2, 3, 4
    HAVING sum(n) <> 0 OR max(last_event_at) IS NOT NULL;
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION keep_unfinished() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  pending uuid[];
  failed uuid[];
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO unfinished_events (status, event_id) SELECT status, id FROM after_rows WHERE status <> 'applied';
  ELSE
    IF TG_OP = 'DELETE' THEN
      SELECT array_agg(id) FILTER (WHERE status = 'pending'), array_agg(id) FILTER (WHERE status = 'failed')
      INTO pending, failed FROM before_rows;
    ELSE
      SELECT array_agg(id) FILTER (WHERE status = 'pending'), array_agg(id) FILTER (WHERE status = 'failed')
      INTO pending, failed FROM (SELECT id, status FROM before_rows EXCEPT SELECT id, status FROM after_rows) AS went;
    END IF;
    IF pending IS NOT NULL THEN
      DELETE FROM unfinished_events WHERE status = 'pending' AND event_id = ANY (pending);
    END IF;
    IF failed IS NOT NULL THEN
      DELETE FROM unfinished_events WHERE status = 'failed' AND event_id = ANY (failed);
      DELETE FROM dead_letters WHERE event_id = ANY (failed);
    END IF;
    IF TG_OP = 'DELETE' THEN
      RETURN NULL;
    END IF;
    INSERT INTO unfinished_events (status, event_id)
    SELECT status, id FROM after_rows WHERE status <> 'applied' EXCEPT SELECT status, id FROM before_rows;
  END IF;
  -- Rare, and asked first, so that the events that go well pay for no more than the question.
  IF EXISTS (SELECT FROM after_rows WHERE status = 'failed') THEN
    INSERT INTO dead_letters (event_id, error_class, fingerprint, pattern, domain, source, cluster_id, org_id, event_type, replays, created_at, failed_at)
    SELECT id, class, coalesce(error_fingerprint, dead_letter_fingerprint(class, pattern)), pattern, domain, source, cluster_id, org_id,
      event_type, dlq_replay_count, created_at, coalesce(processed_at, updated_at)
    FROM (SELECT *, coalesce(error_class, 'internal') AS class, coalesce(error_pattern, last_error, '') AS pattern FROM after_rows
          WHERE status = 'failed') AS letters
    ON CONFLICT (event_id) DO NOTHING;
  END IF;
  RETURN NULL;
END $$;
