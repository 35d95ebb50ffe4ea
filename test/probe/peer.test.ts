import { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { addressGuard } from '../../src/net/address-guard.ts';
import { createDial } from '../../src/notify/dial.ts';
import { connect } from '../../src/probe/connection.ts';
import { createStage } from './support.ts';

// An address that was let through and leads elsewhere: the system connects 0.0.0.0 to 127.0.0.1.
const written = '0.0.0.0';
const withoutLoopback = addressGuard({ allowedCidrs: [`${written}/32`] });
const withLoopback = addressGuard({ allowedCidrs: [`${written}/32`], loopback: true });

const stage = createStage();
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

describe('a probe', () => {
  const look = async (guard: typeof withLoopback) => {
    const port = await stage.serveRaw(() => undefined);
    const wiring = { guard, sockets: new Set<Socket>(), closing: new AbortController().signal };
    const end = await connect({ address: written, port }, 5000, wiring);
    if (end instanceof Socket) sockets.push(end);
    return end;
  };

  it('does not stay where the connection led to another address', async () => {
    expect(await look(withoutLoopback)).toMatchObject({ verdict: 'address_refused' });
  });

  it('stays where that address may be reached as well', async () => {
    expect(await look(withLoopback)).toBeInstanceOf(Socket);
  });
});

describe('a webhook', () => {
  const dial = async (guard: typeof withLoopback): Promise<Socket> => {
    const port = await stage.serveRaw(() => undefined);
    const resolver = { addresses: () => Promise.resolve([written]), cancel: () => undefined };
    const socket = await createDial(resolver, guard)({ host: 'hook.example', port }, AbortSignal.timeout(5000));
    sockets.push(socket);
    return socket;
  };

  it('does not stay where the connection led to another address', async () => {
    await expect(dial(withoutLoopback)).rejects.toMatchObject({ forbidden: true });
  });

  it('stays where that address may be reached as well', async () => {
    expect((await dial(withLoopback)).remoteAddress).toBe('127.0.0.1');
  });
});
