import type { EventRow } from '../../db/event-reads.ts';
import type { CsvColumn } from './csv.ts';

const names = [
  'id',
  'domain',
  'event_type',
  'status',
  'outcome',
  'source',
  'cluster_id',
  'source_event_id',
  'org_id',
  'occurred_at',
  'created_at',
  'processed_at',
  'retry_count',
  'next_retry_at',
  'error_class',
  'last_error',
  'certificate_ref',
  'not_before',
  'not_after',
  'renewal_due_at',
  'reason',
  'provenance_verified',
  'dlq_replay_count',
  'generation',
] as const satisfies readonly (keyof EventRow)[];

/** An event as a line of an export: what the ledger says of it, without what its sender sent. */
export const eventColumns: readonly CsvColumn<EventRow>[] = names.map((name) => ({ name, value: (row) => row[name] }));
