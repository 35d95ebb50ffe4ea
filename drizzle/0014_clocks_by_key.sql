-- As before, but what a change costs grows with the rows that change, whatever plan was made and kept for it. Old and new rows
-- are laid side by side without a join, and their clocks looked up one by one: a merge join reads all clocks there are.
CREATE OR REPLACE FUNCTION keep_clocks() RETURNS trigger LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO domain_clocks (domain_id, renewal_due_at, look_due_at, probe_due_at, ari_due_at, ends_at)
    SELECT id,
      CASE WHEN verified AND tls_mode = 'termination' THEN renewal_due_at END, look_due_at,
      CASE WHEN verified AND tls_mode = 'termination' AND target_tunnel_id IS NOT NULL AND probe_mode <> 'off' THEN probe_due_at END,
      CASE WHEN verified AND tls_mode = 'termination' THEN ari_due_at END, tls_not_after
    FROM after_rows;
  ELSIF TG_OP = 'DELETE' THEN
    DELETE FROM domain_clocks c USING before_rows b WHERE c.domain_id = b.id;
  ELSE
    UPDATE domain_clocks c SET
      renewal_due_at = n.renewal, look_due_at = n.look, ari_due_at = n.ari, ends_at = n.ends,
      probe_due_at = CASE WHEN n.probe IS DISTINCT FROM n.old_probe THEN n.probe ELSE c.probe_due_at END
    FROM (
      SELECT id,
        max(look) FILTER (WHERE is_new) AS look, max(look) FILTER (WHERE NOT is_new) AS old_look,
        max(renewal) FILTER (WHERE is_new) AS renewal, max(renewal) FILTER (WHERE NOT is_new) AS old_renewal,
        max(probe) FILTER (WHERE is_new) AS probe, max(probe) FILTER (WHERE NOT is_new) AS old_probe,
        max(ari) FILTER (WHERE is_new) AS ari, max(ari) FILTER (WHERE NOT is_new) AS old_ari,
        max(ends) FILTER (WHERE is_new) AS ends, max(ends) FILTER (WHERE NOT is_new) AS old_ends
      FROM (
        SELECT id, is_new, look_due_at AS look, tls_not_after AS ends,
          CASE WHEN verified AND tls_mode = 'termination' THEN renewal_due_at END AS renewal,
          CASE WHEN verified AND tls_mode = 'termination' AND target_tunnel_id IS NOT NULL AND probe_mode <> 'off' THEN probe_due_at END AS probe,
          CASE WHEN verified AND tls_mode = 'termination' THEN ari_due_at END AS ari
        FROM (
          SELECT id, verified, tls_mode, target_tunnel_id, probe_mode, look_due_at, renewal_due_at, probe_due_at, ari_due_at,
            tls_not_after, true AS is_new
          FROM after_rows
          UNION ALL
          SELECT id, verified, tls_mode, target_tunnel_id, probe_mode, look_due_at, renewal_due_at, probe_due_at, ari_due_at,
            tls_not_after, false
          FROM before_rows) AS rows) AS times
      GROUP BY id
    ) n
    WHERE c.domain_id = n.id
      AND (n.renewal, n.look, n.probe, n.ari, n.ends)
        IS DISTINCT FROM (n.old_renewal, n.old_look, n.old_probe, n.old_ari, n.old_ends);
  END IF;
  RETURN NULL;
END $$;
