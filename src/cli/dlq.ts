import { Command } from 'commander';
import { type ApiClient, CommandError, refusal } from './api-client.ts';
import { type EventFilterOptions, eventQuery, withEventFilters } from './event-options.ts';
import { eventPath, listEvents, type ListOptions, replayBody, replayRefusal, withApi, withPage } from './events.ts';
import { type CliIo, listOf, membersOf } from './io.ts';
import { printable } from './table.ts';

export interface DlqReplayOptions extends EventFilterOptions {
  readonly all?: boolean;
  readonly keepRetries?: boolean;
  readonly reason?: string;
  readonly json?: boolean;
}

const pageSize = 500;
const barWidth = 30;
const mostNamed = 10;

type Row = Readonly<Record<string, unknown>>;

interface Letter {
  readonly id: string;
  /** The domain that it waits for, when nobody has registered it; null else. */
  readonly missing: string | null;
}

interface Letters {
  readonly total: number;
  readonly letters: AsyncIterable<Letter>;
}

/** The domain of an event that failed because nobody has registered it; registering it would have applied the event. */
const missingOf = ({ error_class: why, domain_id: domainId, domain }: Row): string | null =>
  why === 'unresolved' && domainId === null && typeof domain === 'string' ? domain : null;

async function* given(api: ApiClient, ids: readonly string[]): AsyncGenerator<Letter> {
  for (const id of ids) {
    // What is wrong with the id or the token is told by the replay.
    const { body } = await api.call('GET', eventPath(id));
    yield { id, missing: missingOf(membersOf(body['event'])) };
  }
}

const pageOf = async (api: ApiClient, query: URLSearchParams): Promise<Readonly<Record<string, unknown>>> =>
  (await api.expect('GET', `/v1/admin/cert-events?${query.toString()}`)).body;

// A page goes on below the last id, so it does not matter that replayed events are no dead letters any more.
async function* allLetters(
  api: ApiClient,
  query: URLSearchParams,
  first: Readonly<Record<string, unknown>>,
): AsyncGenerator<Letter> {
  for (let page = first; ;) {
    for (const row of listOf(page['events'])) {
      if (typeof row['id'] === 'string') yield { id: row['id'], missing: missingOf(row) };
    }
    if (typeof page['nextCursor'] !== 'string') return;
    query.set('cursor', page['nextCursor']);
    page = await pageOf(api, query);
  }
}

const lettersOf = async (
  io: CliIo,
  api: ApiClient,
  ids: readonly string[],
  options: DlqReplayOptions,
): Promise<Letters> => {
  const query = eventQuery({ ...options, status: 'failed' }, io.now());
  const filtered = query.size > 1;
  if (ids.length > 0) {
    if (options.all === true || filtered) throw new CommandError('give either ids, or --all with or without filters');
    return { total: ids.length, letters: given(api, ids) };
  }
  if (options.all !== true) throw new CommandError('give the ids of events, or --all');
  query.set('limit', String(pageSize));
  const first = await pageOf(api, query);
  return { total: Number(membersOf(first['stats'])['failed'] ?? 0), letters: allLetters(api, query, first) };
};

const bar = (done: number, total: number): string => {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const full = Math.round(share * barWidth);
  return `[${'#'.repeat(full)}${'.'.repeat(barWidth - full)}] ${done} of ${total}`;
};

interface Refused {
  readonly id: string;
  readonly message: string;
}

const replayLetters = async (io: CliIo, api: ApiClient, { total, letters }: Letters, body: unknown) => {
  const missing = new Set<string>();
  const replayed: string[] = [];
  const refused: Refused[] = [];
  try {
    for await (const { id, missing: domain } of letters) {
      const answer = await api.call('POST', `${eventPath(id)}/replay`, { body });
      // What is wrong with the token or the server is wrong for all the others, too.
      if ([401, 403].includes(answer.status) || answer.status >= 500) {
        throw new CommandError(`${refusal(answer)}; replayed before that: ${replayed.length}`);
      }
      if (answer.status !== 200) refused.push({ id, message: replayRefusal(answer, id) });
      else {
        replayed.push(id);
        if (domain !== null) missing.add(domain);
      }
      io.progress?.(bar(replayed.length + refused.length, total));
    }
  } finally {
    io.progress?.('');
  }
  return { replayed, refused, missing: [...missing] };
};

/** Replays dead letters one by one. @returns 1 when one of them was refused. */
export const replayDeadLetters = (io: CliIo, ids: readonly string[], options: DlqReplayOptions): Promise<number> =>
  withApi(io, 'dlq replay', async (api) => {
    const letters = await lettersOf(io, api, ids, options);
    const { replayed, refused, missing } = await replayLetters(io, api, letters, replayBody(options));
    if (io.columns === null || options.json === true) {
      io.stdout(
        JSON.stringify({
          attempted: replayed.length + refused.length,
          replayed: replayed.length,
          ids: replayed,
          refused,
        }),
      );
    } else {
      for (const { id, message } of refused) io.stderr(`notafter dlq replay: ${printable(id)}: ${message}`);
      for (const domain of missing.slice(0, mostNamed)) {
        io.stderr(
          `notafter dlq replay: nobody has registered ${printable(domain)}: do so first, or its events fail again; notafter domains put ${printable(domain)}`,
        );
      }
      if (missing.length > mostNamed) {
        io.stderr(`notafter dlq replay: and ${missing.length - mostNamed} more: notafter dlq list --unresolved`);
      }
      const see = replayed.length === 1 ? `; see notafter events show ${printable(replayed[0])}` : '';
      io.stdout(`${replayed.length} of ${replayed.length + refused.length} queued again${see}`);
    }
    return refused.length > 0 ? 1 : 0;
  });

/** Makes the `dlq` subcommand: events that were given up, and trying them again. */
export const dlqCommand = (io: CliIo): Command => {
  const dlq = new Command('dlq').description('dead letters: events that were given up');
  withPage(withEventFilters(dlq.command('list').description('dead letters, newest first'), { status: false })).action(
    async (options: ListOptions) => {
      process.exitCode = await listEvents(io, 'dlq list', { ...options, status: 'failed' });
    },
  );
  withEventFilters(
    dlq
      .command('replay')
      .description('try dead letters again, by id or all that the filters let through')
      .argument('[ids...]', 'ids of events')
      .option('--all', 'every dead letter that the filters let through'),
    { status: false },
  )
    .option('--keep-retries', 'go on counting tries where each event left off')
    .option('--reason <text>', 'why; it stands in the history of each event')
    .option('--json', 'print the result as JSON, as is done without a terminal')
    .action(async (ids: string[], options: DlqReplayOptions) => {
      process.exitCode = await replayDeadLetters(io, ids, options);
    });
  return dlq;
};
