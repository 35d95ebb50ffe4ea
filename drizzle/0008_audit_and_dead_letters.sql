-- The audit log: rows are added and nothing else. Who owns the database can take a trigger away; the chain of hashes and the
-- signed checkpoints show what was done then.
INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, sha256(''::bytea));
--> statement-breakpoint
-- What the hash of a row covers: each field as its length in bytes, a colon and its text, or `-` where it is null.
CREATE FUNCTION audit_field(field text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(octet_length(convert_to(field, 'UTF8')) || ':' || field, '-') || ','
$$;
--> statement-breakpoint
CREATE FUNCTION audit_text(r audit_log) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT audit_field(r.seq::text) || audit_field((extract(epoch FROM r.at) * 1000)::bigint::text) || audit_field(r.actor)
    || audit_field(r.actor_kind) || audit_field(r.role) || audit_field(r.action) || audit_field(r.object_type)
    || audit_field(r.object_id) || audit_field(r.org_id) || audit_field(r.before::text) || audit_field(r.after::text)
    || audit_field(r.reason) || audit_field(r.request_id) || audit_field(r.address) || audit_field(encode(r.prev_hash, 'hex'))
$$;
--> statement-breakpoint
CREATE FUNCTION chain_audit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  head audit_head;
BEGIN
  -- Held to the end of the transaction: rows are numbered in the order of their commits.
  SELECT * INTO STRICT head FROM audit_head WHERE id = 1 FOR UPDATE;
  NEW.seq := head.seq + 1;
  NEW.prev_hash := head.hash;
  NEW.hash := sha256(convert_to(audit_text(NEW), 'UTF8'));
  UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash WHERE id = 1;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER audit_log_chain BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION chain_audit();
--> statement-breakpoint
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
--> statement-breakpoint
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER audit_checkpoints_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoints
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
REVOKE UPDATE, DELETE, TRUNCATE ON audit_log, audit_checkpoints FROM PUBLIC, CURRENT_USER;
--> statement-breakpoint
CREATE FUNCTION dead_letter_fingerprint(class text, pattern text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT left(encode(sha256(convert_to(class || E'\n' || pattern, 'UTF8')), 'hex'), 16)
$$;
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
      SELECT array_agg(b.id) FILTER (WHERE b.status = 'pending'), array_agg(b.id) FILTER (WHERE b.status = 'failed')
      INTO pending, failed FROM before_rows b JOIN after_rows a ON a.id = b.id WHERE a.status <> b.status;
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
    SELECT a.status, a.id FROM after_rows a JOIN before_rows b ON b.id = a.id
    WHERE a.status <> b.status AND a.status <> 'applied';
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
--> statement-breakpoint
INSERT INTO dead_letters (event_id, error_class, fingerprint, pattern, domain, source, cluster_id, org_id, event_type, replays, created_at, failed_at)
SELECT id, class, dead_letter_fingerprint(class, pattern), pattern, domain, source, cluster_id, org_id, event_type, dlq_replay_count,
  created_at, coalesce(processed_at, updated_at)
FROM (SELECT e.*, coalesce(e.error_class, 'internal') AS class, coalesce(e.last_error, '') AS pattern
      FROM certificate_lifecycle_events e JOIN unfinished_events u ON u.event_id = e.id AND u.status = 'failed') AS letters;
--> statement-breakpoint
ALTER TABLE pipe_activity SET (fillfactor = 70);
