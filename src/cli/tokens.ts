import { Command, InvalidArgumentError, Option } from 'commander';
import { roles } from '../lifecycle/access.ts';
import { parseTime } from '../lifecycle/time.ts';
import { upTo } from './event-options.ts';
import { readBy, withApi, withPage } from './events.ts';
import { type CliIo, listOf, membersOf } from './io.ts';
import { facts, factsOf, printable, table } from './table.ts';

const path = '/v1/admin/tokens';

interface ListOptions {
  readonly limit: number;
  readonly cursor?: string;
  readonly json?: boolean;
}

interface CreateOptions {
  readonly role: string;
  readonly orgId?: string;
  readonly days?: number;
  readonly expiresAt?: string;
  readonly json?: boolean;
}

interface RevokeOptions {
  readonly reason?: string;
  readonly json?: boolean;
}

const untilTime = (text: string): string => {
  if (parseTime(text) !== null) return text;
  throw new InvalidArgumentError('It must be a time such as 2027-01-31T12:00:00Z.');
};

const list = (io: CliIo, { limit, cursor, json }: ListOptions): Promise<number> =>
  withApi(io, 'tokens list', async (api) => {
    const query = new URLSearchParams({ limit: String(limit), ...(cursor !== undefined && { cursor }) });
    const { body } = await api.expect('GET', `${path}?${query.toString()}`);
    const columns = readBy(io, json);
    if (columns === null) {
      io.stdout(JSON.stringify(body));
      return 0;
    }
    const names = ['id', 'name', 'role', 'org_id', 'state', 'last_used_at', 'expires_at', 'created_by'];
    const rows = listOf(body['tokens']).map((row) => names.map((name) => row[name]));
    const headings = ['ID', 'NAME', 'ROLE', 'ORGANISATION', 'STATE', 'LAST USED', 'EXPIRES', 'MADE BY'];
    for (const line of table(headings, rows, columns)) io.stdout(line);
    const configured = listOf(body['configured']).map((one) => `${printable(one['name'])} (${printable(one['role'])})`);
    if (configured.length > 0) io.stdout(`\nin the configuration: ${configured.join(', ')}`);
    if (typeof body['nextCursor'] === 'string') io.stdout(`more: --cursor ${printable(body['nextCursor'])}`);
    return 0;
  });

const shown = ['role', 'org_id', 'state', 'expires_at', 'last_used_at', 'revoked_at', 'revoked_by'];

const create = (io: CliIo, name: string, options: CreateOptions): Promise<number> =>
  withApi(io, 'tokens create', async (api) => {
    const { role, orgId, days, expiresAt } = options;
    const { body } = await api.expect('POST', path, { body: { name, role, orgId, days, expiresAt } });
    const columns = readBy(io, options.json);
    if (columns === null) {
      io.stdout(JSON.stringify(body));
      return 0;
    }
    const made = membersOf(body['accessToken']);
    io.stdout(printable(body['token']));
    io.stdout('');
    io.stdout('This is the only time it is shown: keep it where secrets are kept.');
    for (const line of facts([['id', made['id']], ['name', made['name']], ...factsOf(made, shown)])) io.stdout(line);
    return 0;
  });

const revoke = (io: CliIo, id: string, { reason, json }: RevokeOptions): Promise<number> =>
  withApi(io, 'tokens revoke', async (api) => {
    const at = `${path}/${encodeURIComponent(id)}/revoke`;
    const { body } = await api.expect('POST', at, { body: reason === undefined ? {} : { reason } });
    if (readBy(io, json) === null) {
      io.stdout(JSON.stringify(body));
      return 0;
    }
    const { name } = membersOf(body['accessToken']);
    const when = body['alreadyRevoked'] === true ? 'was revoked before' : 'lets nobody in from now on';
    io.stdout(`${printable(name)} ${when}.`);
    return 0;
  });

const json = '--json';
const jsonAbout = 'print the JSON of the API, as is done without a terminal';

/** Makes the `tokens` subcommand: access tokens are made, listed and revoked by admins. */
export const tokensCommand = (io: CliIo): Command => {
  const command = new Command('tokens').description('make, list and revoke access tokens (role admin)');
  withPage(command.command('list').description('access tokens, newest first')).action(async (options: ListOptions) => {
    process.exitCode = await list(io, options);
  });
  command
    .command('create')
    .description('make a token; it is printed once')
    .argument('<name>', 'whose it is, as the audit log will say')
    .addOption(new Option('--role <role>', 'what it may do').choices(roles).default('viewer'))
    .option('--org-id <id>', 'the one organisation it sees and changes')
    .addOption(
      new Option('--days <n>', 'days until it ends (default: it never does)')
        .argParser(upTo(3650))
        .conflicts('expiresAt'),
    )
    .addOption(new Option('--expires-at <time>', 'when it ends').argParser(untilTime))
    .option(json, jsonAbout)
    .action(async (name: string, options: CreateOptions) => {
      process.exitCode = await create(io, name, options);
    });
  command
    .command('revoke')
    .description('revoke a token and sign out whoever used it')
    .argument('<id>', 'id of the token, as the list shows it')
    .option('--reason <text>', 'why, for the audit log')
    .option(json, jsonAbout)
    .action(async (id: string, options: RevokeOptions) => {
      process.exitCode = await revoke(io, id, options);
    });
  return command;
};
