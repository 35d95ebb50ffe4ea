import { Command, Option } from 'commander';
import { type ApiClient, CommandError, refusal } from './api-client.ts';
import { bar, type BulkReplayOptions, replayInBulk, steerReplay, watchReplay } from './dlq-bulk.ts';
import { deadLetterFilters, withDeadLetterFilters } from './dlq-filters.ts';
import { type GroupsOptions, listGroups } from './dlq-groups.ts';
import { upTo, withEventFilters } from './event-options.ts';
import { eventPath, listEvents, type ListOptions, replayBody, replayRefusal, withApi, withPage } from './events.ts';
import { type CliIo, membersOf } from './io.ts';
import { printable } from './table.ts';

export interface DlqReplayOptions extends BulkReplayOptions {
  readonly all?: boolean;
}

const mostNamed = 10;

type Row = Readonly<Record<string, unknown>>;

/** The domain of an event that failed because nobody has registered it; registering it would have applied the event. */
const missingOf = ({ error_class: why, domain_id: domainId, domain }: Row): string | null =>
  why === 'unresolved' && domainId === null && typeof domain === 'string' ? domain : null;

interface Refused {
  readonly id: string;
  readonly message: string;
}

const replayLetters = async (io: CliIo, api: ApiClient, ids: readonly string[], body: unknown) => {
  const missing = new Set<string>();
  const replayed: string[] = [];
  const refused: Refused[] = [];
  try {
    for (const id of ids) {
      // What is wrong with the id or the token is told by the replay.
      const found = await api.call('GET', eventPath(id));
      const answer = await api.call('POST', `${eventPath(id)}/replay`, { body });
      // What is wrong with the token or the server is wrong for all the others, too.
      if ([401, 403].includes(answer.status) || answer.status >= 500) {
        throw new CommandError(`${refusal(answer)}; replayed before that: ${replayed.length}`);
      }
      const domain = missingOf(membersOf(found.body['event']));
      if (answer.status !== 200) refused.push({ id, message: replayRefusal(answer, id) });
      else {
        replayed.push(id);
        if (domain !== null) missing.add(domain);
      }
      io.progress?.(bar(replayed.length + refused.length, ids.length));
    }
  } finally {
    io.progress?.('');
  }
  return { replayed, refused, missing: [...missing] };
};

const warnMissing = (io: CliIo, missing: readonly string[]): void => {
  for (const domain of missing.slice(0, mostNamed)) {
    io.stderr(
      `notafter dlq replay: nobody has registered ${printable(domain)}: do so first, or its events fail again; notafter domains put ${printable(domain)}`,
    );
  }
  if (missing.length > mostNamed)
    io.stderr(`notafter dlq replay: and ${missing.length - mostNamed} more: notafter dlq list --unresolved`);
};

/** Replays dead letters one by one. @returns 1 when one of them was refused. */
const replayById = (io: CliIo, ids: readonly string[], options: DlqReplayOptions): Promise<number> =>
  withApi(io, 'dlq replay', async (api) => {
    const { replayed, refused, missing } = await replayLetters(io, api, ids, replayBody(options));
    const attempted = replayed.length + refused.length;
    if (io.columns === null || options.json === true) {
      io.stdout(JSON.stringify({ attempted, replayed: replayed.length, ids: replayed, refused }));
    } else {
      for (const { id, message } of refused) io.stderr(`notafter dlq replay: ${printable(id)}: ${message}`);
      warnMissing(io, missing);
      const see = replayed.length === 1 ? `; see notafter events show ${printable(replayed[0])}` : '';
      io.stdout(`${replayed.length} of ${attempted} queued again${see}`);
    }
    return refused.length > 0 ? 1 : 0;
  });

/** Replays dead letters by id, or as a bulk replay all that the filters let through. */
export const replayDeadLetters = (io: CliIo, ids: readonly string[], options: DlqReplayOptions): Promise<number> => {
  const filtered = Object.keys(deadLetterFilters(options, io.now())).length > 0;
  const bulk = options.all === true || options.group !== undefined;
  if (ids.length > 0 && !bulk && !filtered && options.dryRun !== true) return replayById(io, ids, options);
  if (ids.length === 0 && bulk) return replayInBulk(io, options);
  return withApi(io, 'dlq replay', async () => {
    throw new CommandError(
      ids.length > 0
        ? 'give either ids, or --all with or without filters, or --group'
        : 'give the ids of events, or --all with or without filters, or --group',
    );
  });
};

const jsonOption = ['--json', 'print the result as JSON, as is done without a terminal'] as const;

const steering = (dlq: Command, io: CliIo): void => {
  const words = {
    pause: 'open no more events of a bulk replay for now',
    resume: 'go on with a paused bulk replay',
    cancel: 'leave the rest of a bulk replay as it is',
  } as const;
  for (const act of ['pause', 'resume', 'cancel'] as const) {
    dlq
      .command(act)
      .description(words[act])
      .argument('<replay>', 'number of the replay')
      .option('--reason <text>', 'why; it stands in the audit log')
      .option(...jsonOption)
      .action(async (id: string, options: { reason?: string; json?: boolean }) => {
        process.exitCode = await steerReplay(io, act, id, options);
      });
  }
};

/** Makes the `dlq` subcommand: events that were given up, by cause and one by one, and trying them again. */
export const dlqCommand = (io: CliIo): Command => {
  const dlq = new Command('dlq').description('dead letters: events that were given up');
  withPage(withEventFilters(dlq.command('list').description('dead letters, newest first'), { status: false })).action(
    async (options: ListOptions) => {
      process.exitCode = await listEvents(io, 'dlq list', { ...options, status: 'failed' });
    },
  );
  withPage(
    withDeadLetterFilters(dlq.command('groups').description('dead letters by cause, the largest group first')),
  ).action(async (options: GroupsOptions) => {
    process.exitCode = await listGroups(io, options);
  });
  withDeadLetterFilters(
    dlq
      .command('replay')
      .description('try dead letters again: by id, one group, or all that the filters let through')
      .argument('[ids...]', 'ids of events')
      .option('--all', 'every dead letter that the filters let through'),
  )
    .addOption(new Option('--rate <n>', 'events a second of a bulk replay (50)').argParser(upTo(1000)))
    .option('--dry-run', 'only say which events a bulk replay would take')
    .option('--watch', 'follow a bulk replay to its end')
    .option('--keep-retries', 'go on counting tries where each event left off')
    .option('--reason <text>', 'why; it stands in the history of each event')
    .option(...jsonOption)
    .action(async (ids: string[], options: DlqReplayOptions) => {
      process.exitCode = await replayDeadLetters(io, ids, options);
    });
  dlq
    .command('watch')
    .description('follow a bulk replay to its end')
    .argument('[replay]', 'number of the replay; without it the one that is running')
    .option(...jsonOption)
    .action(async (id: string | undefined, options: { json?: boolean }) => {
      process.exitCode = await watchReplay(io, id, options);
    });
  steering(dlq, io);
  return dlq;
};
