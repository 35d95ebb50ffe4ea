import { bigint, integer, pgTable, primaryKey, smallint, text } from './drizzle.ts';

/**
 * What the pipe did, by minute since 1970: `accepted` and `applied` events by class of duration (index into the histogram's
 * upper bounds, the last for all beyond), and failed tries as `failed.<error class>`. Every process adds its own.
 */
export const pipeActivity = pgTable(
  'pipe_activity',
  {
    minute: integer('minute').notNull(),
    kind: text('kind').notNull(),
    bucket: smallint('bucket').notNull(),
    n: bigint('n', { mode: 'number' }).notNull(),
  },
  (t) => [primaryKey({ name: 'pipe_activity_pkey', columns: [t.minute, t.kind, t.bucket] })],
);
