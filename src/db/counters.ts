import type { Db, Sql, Tx } from './client.ts';

/** The counters that outlive a process. Names are those of the exposition. */
export const counterNames = [
  'fdt_cert_alerts_sent_total',
  'fdt_cert_renewal_sla_alerts_sent_total',
  'fdt_cert_runbook_triggers_total',
  'fdt_cert_runbook_trigger_failures_total',
  'fdt_cert_dlq_auto_replays_total',
  'fdt_cert_dlq_escalations_total',
  'fdt_cert_dlq_replayed_events_total',
  'fdt_cert_replays_total',
  'fdt_cert_notifications_total',
  'certctl_notification_dead_total',
  'fdt_cert_retention_removed_total',
] as const;
export type CounterName = (typeof counterNames)[number];

export interface Sample {
  readonly name: CounterName;
  readonly labels: Readonly<Record<string, string>>;
}

const labelText = (labels: Readonly<Record<string, string>>): string =>
  Object.keys(labels)
    .toSorted()
    .map((label) => `${label}="${labels[label] ?? ''}"`)
    .join(',');

/** Raises counters by one for each sample, in the transaction whose outcome they count. */
export const raiseCounters = async (tx: Tx | Sql, samples: readonly Sample[]): Promise<void> => {
  if (samples.length === 0) return;
  // In one order everywhere, so that two transactions never wait for each other.
  await tx`
    insert into counters (name, labels, value)
    select u.name, u.labels, count(*)
    from unnest(${samples.map(({ name }) => name)}::text[], ${samples.map(({ labels }) => labelText(labels))}::text[]) as u(name, labels)
    group by u.name, u.labels order by u.name, u.labels
    on conflict (name, labels) do update set value = counters.value + excluded.value`;
};

/** Raises one counter by `n`, in the transaction whose outcome it counts. */
export const addToCounter = async (tx: Tx | Sql, { name, labels }: Sample, n: number): Promise<void> => {
  await tx`
    insert into counters (name, labels, value) values (${name}, ${labelText(labels)}, ${n})
    on conflict (name, labels) do update set value = counters.value + excluded.value`;
};

/** Begins counters at nothing, so that a rate sees their first step as well. */
export const startCounters = async ({ sql }: Pick<Db, 'sql'>, samples: readonly Sample[]): Promise<void> => {
  await sql`
    insert into counters (name, labels, value)
    select u.name, u.labels, 0
    from unnest(${samples.map(({ name }) => name)}::text[], ${samples.map(({ labels }) => labelText(labels))}::text[]) as u(name, labels)
    order by u.name, u.labels
    on conflict (name, labels) do nothing`;
};

/** What the counters have come to. */
export const readCounters = async ({ sql }: Pick<Db, 'sql'>): Promise<(Sample & { readonly value: number })[]> => {
  const rows = await sql<{ name: CounterName; labels: string; value: number }[]>`
    select name, labels, value::float8 as value from counters where name = any(${[...counterNames]}::text[])`;
  return rows.map(({ name, labels, value }) => ({
    name,
    value,
    labels: Object.fromEntries(
      [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = '', text = '']) => [label, text]),
    ),
  }));
};
