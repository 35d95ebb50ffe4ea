ALTER TABLE "domain_clocks" ADD COLUMN "ends_at" timestamp (3) with time zone;--> statement-breakpoint
UPDATE domain_clocks c SET ends_at = d.tls_not_after FROM custom_domains d WHERE d.id = c.domain_id AND d.tls_not_after IS NOT NULL;--> statement-breakpoint
CREATE INDEX "domain_clocks_end" ON "domain_clocks" USING btree ("ends_at","domain_id") WHERE "domain_clocks"."ends_at" is not null;--> statement-breakpoint
-- As before, and the end of the certificate, so that lists by it read an index that no event rewrites without need.
CREATE OR REPLACE FUNCTION keep_clocks() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
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
      probe_due_at = CASE WHEN n.probe_changed THEN n.probe ELSE c.probe_due_at END
    FROM (
      SELECT a.id, a.renewal, a.look, a.ari, a.ends, a.probe, a.probe IS DISTINCT FROM b.probe AS probe_changed
      FROM (
        SELECT id, look_due_at AS look, tls_not_after AS ends,
          CASE WHEN verified AND tls_mode = 'termination' THEN renewal_due_at END AS renewal,
          CASE WHEN verified AND tls_mode = 'termination' AND target_tunnel_id IS NOT NULL AND probe_mode <> 'off' THEN probe_due_at END AS probe,
          CASE WHEN verified AND tls_mode = 'termination' THEN ari_due_at END AS ari
        FROM after_rows) a
      JOIN (
        SELECT id, look_due_at AS look, tls_not_after AS ends,
          CASE WHEN verified AND tls_mode = 'termination' THEN renewal_due_at END AS renewal,
          CASE WHEN verified AND tls_mode = 'termination' AND target_tunnel_id IS NOT NULL AND probe_mode <> 'off' THEN probe_due_at END AS probe,
          CASE WHEN verified AND tls_mode = 'termination' THEN ari_due_at END AS ari
        FROM before_rows) b ON b.id = a.id
      WHERE (a.renewal, a.look, a.probe, a.ari, a.ends) IS DISTINCT FROM (b.renewal, b.look, b.probe, b.ari, b.ends)
    ) n
    WHERE c.domain_id = n.id;
  END IF;
  RETURN NULL;
END $$;
