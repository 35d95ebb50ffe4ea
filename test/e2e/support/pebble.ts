import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { get } from 'node:https';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { requireBinary } from '../../support/binaries.ts';
import { startChild } from '../../support/child.ts';
import { freePort } from '../../support/ports.ts';
import { waitFor } from '../../support/wait.ts';
import { run } from './run.ts';

/** A real ACME server (RFC 8555) that validates every order anew; every name resolves to 127.0.0.1. */
export interface Pebble extends AsyncDisposable {
  readonly directoryUrl: string;
  /** What the ACME server's own address is trusted with. */
  readonly caFile: string;
  /** The root under which it issues; another one at each start. */
  readonly rootFile: string;
  /** Served to the validation for http-01. */
  readonly webroot: string;
  /** The DNS server that the validation asks. */
  readonly dnsAddress: string;
  /** Takes the calls of lego's httpreq provider and publishes their TXT records. */
  readonly dnsHook: string;
}

export const startPebble = async (directory: string): Promise<Pebble> => {
  const binaries = { pebble: requireBinary('pebble'), dns: requireBinary('pebble-challtestsrv') };
  await using started = new AsyncDisposableStack();
  const home = path.join(directory, 'pebble');
  const webroot = path.join(home, 'webroot');
  mkdirSync(webroot, { recursive: true });
  const [acmePort, rootPort, tlsPort, dnsPort, managementPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const dnsAddress = `127.0.0.1:${dnsPort}`;
  const management = `127.0.0.1:${managementPort}`;
  const web = started.use(await listen((request, response) => serveFile(webroot, request, response)));
  const dnsHook = started.use(await listen((request, response) => publish(`http://${management}`, request, response)));
  const keyPair = await makeServerKeyPair(home);
  const config = path.join(home, 'config.json');
  const listenAddress = `127.0.0.1:${acmePort}`;
  const addresses = { listenAddress, managementListenAddress: `127.0.0.1:${rootPort}` };
  writeFileSync(config, JSON.stringify({ pebble: { ...addresses, httpPort: web.port, tlsPort, ...keyPair } }));

  const dnsArgs = ['-dns01', dnsAddress, '-management', management, '-defaultIPv6', '', '-http01', '', '-https01', ''];
  const dns = startChild(binaries.dns, [...dnsArgs, '-tlsalpn01', '']);
  started.defer(async () => void (await dns.stop()));
  // No artificial delays, no rejected nonces, no validation left out.
  const env = { PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '0', PEBBLE_AUTHZREUSE: '0' };
  const pebble = startChild(binaries.pebble, ['-config', config, '-dnsserver', dnsAddress], { env });
  started.defer(async () => void (await pebble.stop()));
  await pebble.waitForOutput(/ACME directory available/);
  await waitFor(() => fetch(`http://${management}/`), { what: 'the DNS server' });
  const rootFile = path.join(home, 'root.pem');
  writeFileSync(rootFile, await download(`https://127.0.0.1:${rootPort}/roots/0`, keyPair.certificate));
  const all = started.move();
  return {
    directoryUrl: `https://${listenAddress}/dir`,
    caFile: keyPair.certificate,
    rootFile,
    webroot,
    dnsAddress,
    dnsHook: `http://127.0.0.1:${dnsHook.port}`,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
};

const makeServerKeyPair = async (home: string): Promise<{ certificate: string; privateKey: string }> => {
  const [certificate, privateKey] = [path.join(home, 'cert.pem'), path.join(home, 'key.pem')];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', privateKey];
  const names = ['-subj', '/CN=pebble', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const args = ['req', '-x509', ...key, '-out', certificate, '-days', '30', ...names];
  const { code, stderr } = await run(requireBinary('openssl'), args, { cwd: home });
  if (code !== 0) throw new Error(`openssl failed: ${stderr}`);
  return { certificate, privateKey };
};

const download = async (url: string, caFile: string): Promise<string> => {
  const request = get(url, { ca: readFileSync(caFile), agent: false });
  // What `response` is given (node:http).
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return text(response);
};

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

const listen = async (handle: Handler): Promise<{ port: number } & AsyncDisposable> => {
  const server: Server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    [Symbol.asyncDispose]: () => {
      server.closeAllConnections();
      return new Promise((resolve) => void server.close(() => resolve()));
    },
  };
};

const serveFile = async (webroot: string, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const name = path.basename(request.url ?? '');
  const token = await readFile(path.join(webroot, '.well-known/acme-challenge', name)).catch(() => null);
  response.writeHead(token === null ? 404 : 200).end(token);
};

/** lego's httpreq provider posts `{fqdn, value}` to /present and /cleanup. */
const publish = async (management: string, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  const { fqdn, value }: Record<string, unknown> = JSON.parse(Buffer.concat(chunks).toString());
  const action = request.url === '/present' ? 'set-txt' : 'clear-txt';
  const answer = await fetch(`${management}/${action}`, {
    method: 'POST',
    body: JSON.stringify({ host: fqdn, value }),
  });
  response.writeHead(answer.status).end();
};
