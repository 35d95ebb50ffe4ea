import type { Db } from './client.ts';

/** Adds to the signature failures of known senders; `counts` is keyed by `source:cluster`. */
export const addSignatureFailures = async ({ sql }: Db, counts: ReadonlyMap<string, number>): Promise<void> => {
  const rows = [...counts].map(([subject, n]) => {
    const colon = subject.indexOf(':');
    return { source: subject.slice(0, colon), cluster: subject.slice(colon + 1), n };
  });
  await sql`
    insert into cert_sources (source, cluster_id, signature_failures)
    select * from unnest(${rows.map(({ source }) => source)}::text[], ${rows.map(({ cluster }) => cluster)}::text[], ${rows.map(({ n }) => n)}::int8[])
    order by 1, 2
    on conflict (source, cluster_id) do update set signature_failures = cert_sources.signature_failures + excluded.signature_failures`;
};
