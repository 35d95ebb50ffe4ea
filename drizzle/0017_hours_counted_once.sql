-- As before, with the hour of each event worked out once: every event that is accepted pays for it.
CREATE OR REPLACE FUNCTION count_hours() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    WITH by_sender AS (
      INSERT INTO source_hours (source, cluster_id, hour, n)
      SELECT source, coalesce(cluster_id, ''), hour_of(id), count(*) FROM after_rows GROUP BY 1, 2, 3
      RETURNING hour, n
    )
    INSERT INTO event_hours (hour, n) SELECT hour, sum(n) FROM by_sender GROUP BY 1;
  ELSE
    INSERT INTO event_hours (hour, n) SELECT hour_of(id), -count(*) FROM before_rows GROUP BY 1;
  END IF;
  RETURN NULL;
END $$;
