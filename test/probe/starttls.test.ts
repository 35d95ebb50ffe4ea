import type { Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import type { StarttlsProtocol } from '../../src/lifecycle/served.ts';
import { createStage, goodLeaf, knownAt, onlyLook, targetAt } from './support.ts';

const stage = createStage();
const context = createSecureContext({ key: goodLeaf.key, cert: goodLeaf.chain });

const upgrade = (socket: Socket): void => {
  const tls = new TLSSocket(socket, { isServer: true, secureContext: context });
  tls.on('error', () => tls.destroy());
};

/** A server by lines: each answer belongs to a line that begins so; `TLS` after it goes over to TLS. */
const byLines =
  (greeting: string, answers: Readonly<Record<string, string>>) =>
  (socket: Socket): void => {
    socket.write(greeting);
    const onData = (chunk: Buffer): void => {
      const line = chunk.toString('latin1');
      const [, answer = ''] = Object.entries(answers).find(([start]) => line.startsWith(start)) ?? [];
      if (!answer.endsWith('TLS')) {
        socket.write(answer);
        return;
      }
      socket.off('data', onData);
      socket.write(answer.slice(0, -3), () => upgrade(socket));
    };
    socket.on('data', onData);
  };

const smtp = byLines('220-mail.example.test\r\n220 ESMTP\r\n', {
  EHLO: '250-mail.example.test\r\n250-SIZE 1000\r\n250 STARTTLS\r\n',
  STARTTLS: '220 go ahead\r\nTLS',
});
const imap = byLines('* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n', {
  'a1 STARTTLS': '* NOTE something\r\na1 OK begin\r\nTLS',
});
const postgres = (socket: Socket): void => {
  socket.once('data', (request) => {
    if (request.toString('hex') === '0000000804d2162f') socket.write('S', () => upgrade(socket));
    else socket.destroy();
  });
};

describe('STARTTLS', () => {
  it.each<[StarttlsProtocol, (socket: Socket) => void]>([
    ['smtp', smtp],
    ['imap', imap],
    ['postgres', postgres],
  ])('%s leads to the certificate in both depths', async (starttls, server) => {
    const port = await stage.serveRaw(server);
    const prober = stage.prober();
    const full = onlyLook(await prober.probe(targetAt(port, { starttls })));
    expect(full).toMatchObject({ verdict: 'ok', error: null, depth: 'full', certificateRef: goodLeaf.ref });
    const fetched = onlyLook(await prober.probe(targetAt(port, { starttls, known: knownAt(port) })));
    expect(fetched).toMatchObject({ verdict: 'ok', error: null, depth: 'fetch', certificateRef: goodLeaf.ref });
  });

  const greeting = '220 mail\r\n';
  const offer = '250-mail\r\n250 STARTTLS\r\n';
  it.each<[string, StarttlsProtocol, (socket: Socket) => void, string]>([
    ['greets badly', 'smtp', byLines('554 no\r\n', {}), 'does not greet'],
    ['has no STARTTLS', 'smtp', byLines(greeting, { EHLO: '250-mail\r\n250 SIZE\r\n' }), 'does not offer'],
    ['refuses it', 'smtp', byLines(greeting, { EHLO: offer, STARTTLS: '454 no\r\n' }), 'refuses STARTTLS'],
    [
      'talks on in the clear',
      'smtp',
      byLines(greeting, { EHLO: offer, STARTTLS: '220 go\r\n250 x\r\n' }),
      'out of turn',
    ],
    ['never stops', 'smtp', byLines(`220-${'x'.repeat(9000)}\r\n`, {}), 'more than 8 KiB'],
    ['never ends a line', 'imap', byLines(`* OK ${'x'.repeat(9000)}`, {}), 'more than 8 KiB'],
    ['greets badly', 'imap', byLines('* BYE\r\n', {}), 'does not greet'],
    ['refuses it', 'imap', byLines('* OK\r\n', { a1: 'a1 NO\r\n' }), 'refuses STARTTLS'],
    ['has no TLS', 'postgres', (socket) => socket.once('data', () => socket.write('N')), 'switched off'],
    ['is no PostgreSQL', 'postgres', (socket) => socket.once('data', () => socket.write('E')), 'is not PostgreSQL'],
    ['injects bytes', 'postgres', (socket) => socket.once('data', () => socket.write('SE')), 'out of turn'],
    ['closes', 'postgres', (socket) => socket.end(), 'closed the connection before TLS'],
  ])('tells when a server %s (%s)', async (_, starttls, server, error) => {
    const port = await stage.serveRaw(server);
    const look = onlyLook(await stage.prober().probe(targetAt(port, { starttls })));
    expect(look).toMatchObject({ verdict: 'starttls_failed', error: expect.stringContaining(error) });
  });

  it('has five seconds of its own', async () => {
    const port = await stage.serveRaw((socket) => socket.write('220-wait\r\n'));
    const look = onlyLook(await stage.prober({ timeoutMs: 1000 }).probe(targetAt(port, { starttls: 'smtp' })));
    expect(look).toMatchObject({ verdict: 'starttls_failed', error: expect.stringContaining('within 5 s') });
    expect(look.durationMs).toBeLessThan(7000);
  });
});
