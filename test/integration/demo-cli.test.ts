import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DemoOptions, runDemo } from '../../src/cli/demo.ts';
import type { CliIo } from '../../src/cli/io.ts';
import { freePort } from '../support/ports.ts';

// A server that says what its metrics are, and takes nothing: it is about what is asked of it.
let server: Server;
let metrics = '';
let asked: string[] = [];
let port = 0;
beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(`${request.method ?? ''} ${request.url ?? ''}`);
    if (request.url === '/metrics') response.end(metrics);
    else response.writeHead(503, { 'content-type': 'application/json' }).end('{"message":"not today"}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port; // it listens on TCP
});
afterAll(() => new Promise<void>((resolve) => void server.close(() => resolve())));
beforeEach(() => {
  asked = [];
});

const demo = async (options: Partial<DemoOptions>, metricsPort: number) => {
  const err: string[] = [];
  const io: CliIo = {
    env: {
      NOTAFTER_URL: `http://127.0.0.1:${port}`,
      CERT_METRICS_PORT: String(metricsPort),
      NOTAFTER_TOKEN: 'token',
      NOTAFTER_INGEST_TOKEN: 'token',
      NOTAFTER_SOURCE: 'demo',
    },
    now: () => Date.now(),
    stdout: () => undefined,
    stderr: (line) => void err.push(line),
    fetch,
    columns: 100,
    progress: null,
  };
  const code = await runDemo(io, { domains: 3, seed: 1, json: true, ...options }, new AbortController().signal);
  return { code, err, sent: asked.filter((one) => one !== 'GET /metrics') };
};

const channels = `fdt_cert_events_pending_total 0
fdt_cert_notifications_total{channel="chat",result="sent"} 0
fdt_cert_notifications_total{channel="chat",result="dead"} 0
fdt_cert_notifications_total{result="sent",channel="pager"} 0
`;

describe('notafter demo', () => {
  it('refuses a server that tells somebody, and sends nothing to it', async () => {
    metrics = channels;
    const { code, err, sent } = await demo({}, port);
    expect({ code, sent }).toEqual({ code: 1, sent: [] });
    expect(err).toEqual([expect.stringMatching(/has notification channels.*: chat, pager;.*--with-alerts/)]);
  });

  it('fills it when it is told to', async () => {
    metrics = channels;
    const { err, sent } = await demo({ withAlerts: true }, port);
    expect(sent).toEqual(['POST /v1/admin/domains/import']);
    expect(err).toEqual(['notafter demo: HTTP 503: not today']);
  });

  it('fills a server that tells nobody', async () => {
    metrics = 'fdt_cert_events_pending_total 0\n';
    const { err, sent } = await demo({}, port);
    expect(sent).toEqual(['POST /v1/admin/domains/import']);
    expect(err).toEqual(['notafter demo: HTTP 503: not today']);
  });

  it('warns where the metrics cannot be read', async () => {
    const { err, sent } = await demo({}, await freePort());
    expect(sent).toEqual(['POST /v1/admin/domains/import']);
    expect(err[0]).toContain('it is not known whether this server has notification channels');
  });
});
