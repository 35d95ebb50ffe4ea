import { Command, Option } from 'commander';
import { parseObject } from '../emit/json.ts';
import { auditActions } from '../lifecycle/audit.ts';
import { adminToken, CommandError, refusal } from './api-client.ts';
import { type VerifyOptions, verifyAudit } from './audit-verify.ts';
import { epochOf, when } from './event-options.ts';
import { readBy, withApi, withPage } from './events.ts';
import { type CliIo, listOf, membersOf } from './io.ts';
import { facts, printable, table } from './table.ts';

const path = '/v1/admin/audit';

interface FilterOptions {
  readonly actor?: string;
  readonly action?: string;
  readonly objectType?: string;
  readonly objectId?: string;
  readonly orgId?: string;
  readonly requestId?: string;
  readonly since?: string;
  readonly until?: string;
  readonly json?: boolean;
}

interface ListOptions extends FilterOptions {
  readonly limit: number;
  readonly cursor?: string;
}

const withFilters = (command: Command): Command =>
  command
    .option('--actor <name>', 'who did it')
    .addOption(new Option('--action <action>', 'what was done').choices(auditActions))
    .option('--object-type <type>', 'kind of thing it was done to')
    .option('--object-id <id>', 'the thing it was done to; a domain goes by its name')
    .option('--org-id <id>', 'organisation of the thing')
    .option('--request-id <id>', 'request it was done by')
    .addOption(new Option('--since <time>', 'done then or later; also how long ago, such as 24h').argParser(when))
    .addOption(new Option('--until <time>', 'done before then').argParser(when));

const queryOf = (options: FilterOptions, now: number): URLSearchParams => {
  const { actor, action, objectType, objectId, orgId, requestId, since, until } = options;
  const times = { since: since && epochOf(since, now), until: until && epochOf(until, now) };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ actor, action, objectType, objectId, orgId, requestId, ...times }))
    if (value !== undefined) query.set(name, value);
  return query;
};

const side = (value: unknown): string => (value === null || value === undefined ? '' : printable(value));

/** What a change was, in the room of a cell. */
const changeOf = ({ before, after }: Readonly<Record<string, unknown>>): string =>
  [side(before), side(after)].filter((one) => one !== '').join(' → ');

const list = (io: CliIo, options: ListOptions): Promise<number> =>
  withApi(io, 'audit list', async (api) => {
    const query = queryOf(options, io.now());
    query.set('limit', String(options.limit));
    if (options.cursor !== undefined) query.set('cursor', options.cursor);
    const { body } = await api.expect('GET', `${path}?${query.toString()}`);
    const columns = readBy(io, options.json);
    if (columns === null) {
      io.stdout(JSON.stringify(body));
      return 0;
    }
    const rows = listOf(body['entries']).map((row) => [
      ...['seq', 'at', 'actor', 'action', 'object_id', 'reason'].map((name) => row[name]),
      changeOf(row),
    ]);
    for (const line of table(['NO', 'AT', 'WHO', 'WHAT', 'OF', 'WHY', 'CHANGE'], rows, columns)) io.stdout(line);
    io.stdout('');
    io.stdout(`${printable(membersOf(body['stats'])['total'])} in all`);
    if (typeof body['nextCursor'] === 'string') io.stdout(`more: --cursor ${printable(body['nextCursor'])}`);
    return 0;
  });

const exportRows = (io: CliIo, options: FilterOptions & { readonly format: string }): Promise<number> =>
  withApi(io, 'audit export', async ({ url }) => {
    const query = queryOf(options, io.now());
    query.set('format', options.format);
    const response = await io.fetch(`${url}${path}/export?${query.toString()}`, {
      redirect: 'manual',
      headers: { authorization: `Bearer ${adminToken(io.env) ?? ''}` },
    });
    const { status, headers, body } = response;
    if (status !== 200 || body === null)
      throw new CommandError(refusal({ status, headers, body: parseObject(await response.text()) }));
    let rest = '';
    const decoder = new TextDecoder();
    try {
      for await (const chunk of body) {
        const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) io.stdout(line);
      }
    } catch {
      throw new CommandError('the export broke off: what was printed is not the whole; run it again');
    }
    return 0;
  });

const checkpoint = (io: CliIo, { json }: { readonly json?: boolean }): Promise<number> =>
  withApi(io, 'audit checkpoint', async (api) => {
    const { body } = await api.expect('GET', `${path}/checkpoint`);
    if (body['checkpoint'] === null)
      throw new CommandError('there is no checkpoint yet: a worker with CERT_AUDIT_SIGNING_SECRET writes one a minute');
    const last = membersOf(body['checkpoint']);
    if (readBy(io, json) === null) io.stdout(JSON.stringify(last));
    else {
      io.stdout(`${printable(last['seq'])}:${printable(last['hash'])}`);
      const behind = Number(membersOf(body['head'])['seq']) - Number(last['seq']);
      const at = new Date(Number(last['at'])).toISOString();
      for (const line of facts([
        ['signed at', at],
        ['rows since', behind],
      ]))
        io.stdout(line);
    }
    return 0;
  });

/** Makes the `audit` subcommand: who changed what, taking it elsewhere, and whether it is all still there. */
export const auditCommand = (io: CliIo): Command => {
  const command = new Command('audit').description('read the log of who changed what, and check that it is whole');
  withPage(withFilters(command.command('list').description('changes, newest first'))).action(
    async (options: ListOptions) => {
      process.exitCode = await list(io, options);
    },
  );
  withFilters(command.command('export').description('changes, oldest first, as NDJSON or CSV'))
    .addOption(new Option('--format <format>', 'form of the export').choices(['ndjson', 'csv']).default('ndjson'))
    .action(async (options: FilterOptions & { readonly format: string }) => {
      process.exitCode = await exportRows(io, options);
    });
  command
    .command('verify')
    .description('check the chain of the whole log; exits 1 and names the first broken row')
    .option('--checkpoint <file|seq:hash>', 'a checkpoint that was kept elsewhere')
    .option('--offline', 'read the database of DATABASE_URL, without a server between')
    .option('--json', 'print JSON, as is done without a terminal')
    .action(async (options: VerifyOptions) => {
      process.exitCode = await verifyAudit(io, options);
    });
  command
    .command('checkpoint')
    .description('print the last signed checkpoint, to keep it elsewhere')
    .option('--json', 'print JSON, as is done without a terminal')
    .action(async (options: { readonly json?: boolean }) => {
      process.exitCode = await checkpoint(io, options);
    });
  return command;
};
