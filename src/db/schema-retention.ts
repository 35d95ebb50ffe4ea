import { bigint, customType, index, pgTable, sql, text, timestamp, uuid } from './drizzle.ts';

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date', precision: 3 });
const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });

/**
 * What is left of an event that retention removes: enough to know it when it is sent once more. Written some time before
 * the event goes, so that no statement that began before can miss both.
 */
export const eventIdentities = pgTable(
  'event_identities',
  {
    /** `event_identity()` of source, cluster and the source's own id. */
    digest: bytea('digest').primaryKey(),
    event_id: uuid('event_id').notNull(),
    content_hash: bytea('content_hash').notNull(),
    noted_at: at('noted_at').notNull(),
    /** Null while the event is still in the ledger. */
    removed_at: at('removed_at'),
  },
  (t) => [
    index('event_identities_noted')
      .on(t.noted_at)
      .where(sql`${t.removed_at} is null`),
    index('event_identities_removed')
      .on(t.removed_at)
      .where(sql`${t.removed_at} is not null`),
  ],
);

/** How far retention has gone through a table; rows after `position` come next. */
export const retentionWalks = pgTable('retention_walks', {
  name: text('name').primaryKey(),
  /** Null between two rounds. */
  position: text('position'),
  started_at: at('started_at'),
  /** When the last whole round ended. */
  finished_at: at('finished_at'),
  removed: bigint('removed', { mode: 'number' }).notNull().default(0),
});
