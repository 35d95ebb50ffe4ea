import { tlsStatuses } from '../../lifecycle/types.ts';
import type { ApiClient } from '../api-client.ts';
import { listOf, membersOf } from '../io.ts';
import { table } from '../table.ts';

/** What the server says after the demo, in the API's own words. */
export interface Summary {
  readonly regions: readonly Readonly<Record<string, unknown>>[];
  readonly events: Readonly<Record<string, unknown>>;
  readonly incidents: Readonly<Record<string, unknown>>;
}

/** Asks for the counts of the whole server. @throws CommandError when it does not give them. */
export const readSummary = async (api: ApiClient): Promise<Summary> => {
  const [regions, events, incidents] = await Promise.all([
    api.expect('GET', '/v1/admin/domains/cert-region-summary'),
    api.expect('GET', '/v1/admin/cert-events?limit=1'),
    api.expect('GET', '/v1/admin/cert-incidents?limit=1'),
  ]);
  return {
    regions: listOf(regions.body['regions']),
    events: membersOf(events.body['stats']),
    incidents: membersOf(incidents.body['stats']),
  };
};

const headings = ['region', 'total', ...tlsStatuses];

const numbers = (counts: Readonly<Record<string, unknown>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${String(count)} ${name}`)
    .join(', ');

/** Domains by region and status as a table, then the events and incidents; `columns` is the width of the terminal. */
export const summaryLines = ({ regions, events, incidents }: Summary, columns: number): string[] => [
  ...table(
    headings,
    regions.map((region) => headings.map((heading) => region[heading] ?? 0)),
    columns,
  ),
  '',
  `events     ${numbers(events)}`,
  `incidents  ${numbers(incidents)}`,
];
