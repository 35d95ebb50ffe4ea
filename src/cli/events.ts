import { Command, Option } from 'commander';
import { type ApiAnswer, type ApiClient, apiClient, CommandError, refusal } from './api-client.ts';
import { type EventFilterOptions, eventQuery, upTo, withEventFilters } from './event-options.ts';
import { type CliIo, listOf, membersOf } from './io.ts';
import { facts, factsOf, printable, table } from './table.ts';

export interface ListOptions extends EventFilterOptions {
  readonly limit: number;
  readonly cursor?: string;
  readonly json?: boolean;
}

export interface ReplayOptions {
  readonly force?: boolean;
  readonly keepRetries?: boolean;
  readonly reason?: string;
  readonly json?: boolean;
}

/** Path of one event; an id is sent as it was typed, and the server says what is wrong with it. */
export const eventPath = (id: string): string => `/v1/admin/cert-events/${encodeURIComponent(id)}`;

/** Runs a command that talks to the API. @returns 1 when something has to be mended, after one line about it. */
export const withApi = async (io: CliIo, name: string, work: (api: ApiClient) => Promise<number>): Promise<number> => {
  try {
    return await work(apiClient(io));
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    io.stderr(`notafter ${name}: ${error.message}`);
    return 1;
  }
};

/** Whether a person reads the answer: it goes to a terminal, and JSON was not asked for. */
export const readBy = (io: CliIo, json: boolean | undefined): number | null => (json === true ? null : io.columns);

const headings = ['ID', 'RECEIVED', 'STATUS', 'TYPE', 'DOMAIN', 'SOURCE', 'TRIES', 'ERROR'];

/** Prints one page of events: a table on a terminal, else the API's own JSON. */
export const listEvents = (io: CliIo, name: string, options: ListOptions): Promise<number> =>
  withApi(io, name, async (api) => {
    const query = eventQuery(options, io.now());
    query.set('limit', String(options.limit));
    if (options.cursor !== undefined) query.set('cursor', options.cursor);
    const { body } = await api.expect('GET', `/v1/admin/cert-events?${query.toString()}`);
    const columns = readBy(io, options.json);
    if (columns === null) {
      io.stdout(JSON.stringify(body));
      return 0;
    }
    const rows = listOf(body['events']).map((row) => [
      row['id'],
      row['created_at'],
      row['status'],
      row['event_type'],
      row['domain'],
      row['cluster_id'] === null ? row['source'] : `${printable(row['source'])}:${printable(row['cluster_id'])}`,
      row['retry_count'],
      row['last_error'],
    ]);
    for (const line of table(headings, rows, columns)) io.stdout(line);
    const { pending, applied, failed, unresolved } = membersOf(body['stats']);
    io.stdout('');
    io.stdout(
      `${printable(pending)} pending, ${printable(applied)} applied, ${printable(failed)} failed; ${printable(unresolved)} unresolved`,
    );
    if (typeof body['nextCursor'] === 'string') io.stdout(`more: --cursor ${printable(body['nextCursor'])}`);
    return 0;
  });

const shown = [
  'status',
  'outcome',
  'event_type',
  'source',
  'cluster_id',
  'occurred_at',
  'certificate_ref',
  'not_after',
  'reason',
  'retry_count',
  'next_retry_at',
  'last_error',
];

/** What one entry of a timeline says beside its time and kind. */
const detailOf = (entry: Readonly<Record<string, unknown>>): string =>
  Object.entries(entry)
    .filter(([name, value]) => !['at', 'kind', 'generation'].includes(name) && value !== null)
    .map(([name, value]) => `${name.replaceAll('_', ' ')} ${printable(value)}`)
    .join(', ');

const showEvent = (io: CliIo, id: string, { json }: { json?: boolean }): Promise<number> =>
  withApi(io, 'events show', async (api) => {
    const { body } = await api.expect('GET', eventPath(id));
    const columns = readBy(io, json);
    if (columns === null) {
      io.stdout(JSON.stringify(body));
      return 0;
    }
    const event = membersOf(body['event']);
    const domain = membersOf(body['domain']);
    io.stdout(
      `${printable(event['id'])}  ${printable(event['domain'])}  ${printable(domain['tls_status'] ?? 'not registered')}`,
    );
    for (const line of facts(factsOf(event, shown))) io.stdout(line);
    io.stdout('');
    const entries = listOf(body['timeline']).map((entry) => [
      entry['at'],
      String(entry['kind']).replaceAll('_', ' '),
      detailOf(entry),
    ]);
    for (const line of table(['AT', 'WHAT', ''], entries, columns)) io.stdout(line);
    return 0;
  });

/** Body of a replay from its options. */
export const replayBody = ({
  force = false,
  keepRetries = false,
  reason,
}: ReplayOptions): Readonly<Record<string, unknown>> => ({
  force,
  resetRetry: !keepRetries,
  ...(reason !== undefined && { reason }),
});

/** Why an event is not replayed; where force would do it, as the command that does. */
export const replayRefusal = (answer: ApiAnswer, id: string): string =>
  refusal(answer).replace('replay it with force', `use notafter events replay ${printable(id)} --force`);

const replayEvent = (io: CliIo, id: string, options: ReplayOptions): Promise<number> =>
  withApi(io, 'events replay', async (api) => {
    const answer = await api.call('POST', `${eventPath(id)}/replay`, { body: replayBody(options) });
    if (answer.status !== 200) throw new CommandError(replayRefusal(answer, id));
    const { body } = answer;
    const event = membersOf(body['event']);
    if (readBy(io, options.json) === null) io.stdout(JSON.stringify(body));
    else io.stdout(`${printable(event['id'])} is ${printable(event['status'])} again, ${printable(event['domain'])}`);
    return 0;
  });

/** Options of a list beside its filters. */
export const withPage = (command: Command): Command =>
  command
    .addOption(new Option('--limit <n>', 'rows of the page').argParser(upTo(500)).default(50))
    .option('--cursor <cursor>', 'where the page before ended')
    .option('--json', 'print the JSON of the API, as is done without a terminal');

/** Makes the `events` subcommand: what the ledger holds, one event's story, and applying one again. */
export const eventsCommand = (io: CliIo): Command => {
  const events = new Command('events').description('read the ledger of events and replay one of them');
  withPage(withEventFilters(events.command('list').description('events, newest first'), { status: true })).action(
    async (options: ListOptions) => {
      process.exitCode = await listEvents(io, 'events list', options);
    },
  );
  events
    .command('show')
    .description('one event: its tries, replays and what came of it, oldest first')
    .argument('<id>', 'id of the event')
    .option('--json', 'print the JSON of the API, as is done without a terminal')
    .action(async (id: string, options: { json?: boolean }) => {
      process.exitCode = await showEvent(io, id, options);
    });
  events
    .command('replay')
    .description('apply an event again')
    .argument('<id>', 'id of the event')
    .option('--force', 'also when it is applied already')
    .option('--keep-retries', 'go on counting tries where the event left off')
    .option('--reason <text>', 'why; it stands in the history of the event')
    .option('--json', 'print the JSON of the API, as is done without a terminal')
    .action(async (id: string, options: ReplayOptions) => {
      process.exitCode = await replayEvent(io, id, options);
    });
  return events;
};
