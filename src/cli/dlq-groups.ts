import { type DeadLetterOptions, deadLetterFilters } from './dlq-filters.ts';
import { readBy, withApi } from './events.ts';
import { type CliIo, listOf, membersOf } from './io.ts';
import { counted, printable, table } from './table.ts';

/** Options of `dlq groups`. */
export interface GroupsOptions extends DeadLetterOptions {
  readonly limit: number;
  readonly cursor?: string;
  readonly json?: boolean;
}

const headings = ['GROUP', 'EVENTS', 'DOMAINS', 'REPLAYED', 'LAST', 'CLASS', 'FROM', 'ERROR'];

const fromOf = (group: Readonly<Record<string, unknown>>): string => {
  const [first] = listOf(group['first_sources']);
  const name = `${printable(first?.['source'])}:${printable(first?.['cluster_id'])}`;
  const others = Number(group['sources']) - 1;
  return others > 0 ? `${name} +${others}` : name;
};

/** Prints the groups of dead letters: a table on a terminal, else the API's own JSON. */
export const listGroups = (io: CliIo, options: GroupsOptions): Promise<number> =>
  withApi(io, 'dlq groups', async (api) => {
    const query = new URLSearchParams(deadLetterFilters(options, io.now()));
    query.set('limit', String(options.limit));
    if (options.cursor !== undefined) query.set('cursor', options.cursor);
    const { body } = await api.expect('GET', `/v1/admin/dead-letters?${query.toString()}`);
    const columns = readBy(io, options.json);
    if (columns === null) {
      io.stdout(JSON.stringify(body));
      return 0;
    }
    const groups = listOf(body['groups']);
    const totals = membersOf(body['totals']);
    if (groups.length === 0) {
      io.stdout('no dead letters');
      return 0;
    }
    const rows = groups.map((group) => [
      group['fingerprint'],
      group['events'],
      group['domains'],
      group['replayed_before'],
      group['last_failed_at'],
      group['error_class'],
      fromOf(group),
      group['pattern'],
    ]);
    for (const line of table(headings, rows, columns)) io.stdout(line);
    io.stdout('');
    io.stdout(
      `${counted(totals['events'], 'dead letter')} of ${counted(totals['groups'], 'cause')}, ${counted(totals['domains'], 'domain')}, ${counted(totals['sources'], 'source')}`,
    );
    io.stdout('replay one group: notafter dlq replay --group GROUP --reason "…"');
    if (typeof body['nextCursor'] === 'string') io.stdout(`more: --cursor ${printable(body['nextCursor'])}`);
    return 0;
  });
