import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiClient, CommandError } from './api-client.ts';
import { forPerson, type Json, pathOf, printAddresses } from './domain-show.ts';
import { withApi } from './events.ts';
import { type CliIo, listOf, membersOf } from './io.ts';
import { driftLine } from './probe-drift.ts';
import { withRemedy } from './remedy.ts';
import { printable } from './table.ts';

const pollMs = 500;
const mostPolls = 120;

export interface ProbeOptions extends Json {
  readonly wait?: boolean;
}

type Body = Readonly<Record<string, unknown>>;

const checkedAt = (body: Body): unknown => membersOf(body['domain'])['tls_last_checked_at'];

/** Asks for the domain until a later look is saved. */
const untilLooked = async (api: ApiClient, domain: string, before: unknown): Promise<Body> => {
  for (let polls = 0; polls < mostPolls; polls += 1) {
    await sleep(pollMs);
    const { body } = await api.expect('GET', pathOf(domain));
    if (checkedAt(body) !== before) return body;
  }
  throw new CommandError('the look is queued but not made yet: see GET /readyz and whether a worker runs');
};

/**
 * Has a domain looked at. With `wait` it prints what each address serves, and the command fails unless all is well: a fault, drift, or a renewed
 * certificate that is not served yet makes it fail.
 */
export const probeDomain = (io: CliIo, domain: string, options: ProbeOptions): Promise<number> =>
  withApi(io, 'domains probe', async (api) => {
    const before = options.wait === true ? (await api.expect('GET', pathOf(domain))).body : {};
    const { body: queued } = await api.expect('POST', `${pathOf(domain)}/probe`);
    if (options.wait !== true) {
      if (forPerson(io, queued, options) !== null) io.stdout(`${printable(queued['domain'])} is looked at`);
      return 0;
    }
    const body = await untilLooked(api, domain, checkedAt(before));
    const row = membersOf(body['domain']);
    const addresses = listOf(body['addresses']);
    const drift = driftLine(row, addresses);
    const columns = forPerson(io, body, options);
    if (columns !== null) {
      io.stdout(`${printable(row['domain'])}  ${printable(row['tls_status'])}`);
      const fault = withRemedy(row['tls_fault_error'], row['tls_fault']);
      if (fault !== null) io.stdout(fault);
      if (drift !== null) io.stdout(`drift: ${drift}`);
      printAddresses(io, addresses, columns);
    }
    return row['tls_fault'] === null && drift === null ? 0 : 1;
  });
