import { connect, type Socket } from 'node:net';
import type { AddressGuard } from '../net/address-guard.ts';
import { LookupError, type Resolver } from '../net/resolver.ts';

const connectMs = 3000;

/** Where to connect to: a name or an address (IPv6 also in brackets), and a port. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** No connection. `forbidden`: none of the addresses may be reached, and trying again does not help. */
export class DialError extends Error {
  override readonly name = 'DialError';
  readonly forbidden: boolean;

  constructor(message: string, forbidden = false) {
    super(message);
    this.forbidden = forbidden;
  }
}

/** What went wrong on the way, by its code only: messages of the system hold addresses and more. */
export const faultOf = (error: unknown): string => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^[A-Z][A-Z0-9_]{1,59}$/.test(code) ? ` (${code})` : '';
};

const vettedAddresses = async (host: string, resolver: Resolver, guard: AddressGuard): Promise<string[]> => {
  let addresses: string[];
  try {
    addresses = await resolver.addresses(host);
  } catch (error) {
    throw new DialError(error instanceof LookupError ? error.message : 'the name could not be looked up');
  }
  const reasons = addresses.map(guard);
  const allowed = addresses.filter((_, index) => reasons[index] === null);
  if (allowed.length > 0) return allowed;
  throw new DialError(
    `the address ${reasons[0] ?? 'is missing'}; CERT_WEBHOOK_ALLOWED_CIDRS can allow its range`,
    true,
  );
};

const connectTo = async (address: string, port: number, signal: AbortSignal): Promise<Socket> => {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({ host: address, port, autoSelectFamily: false, noDelay: true });
  const give = (error: Error): void => {
    reject(error);
    socket.destroy();
  };
  const abort = (): void => give(new DialError('no connection within the time for one try'));
  const timer = setTimeout(() => give(new DialError(`no connection within ${connectMs / 1000} s`)), connectMs);
  socket.once('error', (error) => give(new DialError(`no connection${faultOf(error)}`)));
  socket.once('connect', () => resolve(socket));
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
};

/**
 * Makes the only way by which notices leave: the name is resolved once, each address vetted, and a vetted one connected to, in
 * turn until one answers.
 */
export const createDial =
  (resolver: Resolver, guard: AddressGuard) =>
  async ({ host, port }: Endpoint, signal: AbortSignal): Promise<Socket> => {
    let last = new DialError('no connection');
    for (const address of await vettedAddresses(host, resolver, guard)) {
      if (signal.aborted) break;
      try {
        const socket = await connectTo(address, port, signal);
        const reason = guard(socket.remoteAddress ?? '');
        if (reason === null) return socket;
        socket.destroy();
        last = new DialError(`the address ${reason}`, true);
      } catch (error) {
        last = error instanceof DialError ? error : new DialError('no connection');
      }
    }
    throw last;
  };
