import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { requireBinary } from '../support/binaries.ts';
import { type Identity, makeCertificate } from '../support/certificates.ts';
import { type Child, startChild } from '../support/child.ts';
import { freePort } from '../support/ports.ts';
import { waitFor } from '../support/wait.ts';

export const nameCount = 1000;
const addressCount = 8;
const decade = 10 * 365 * 86_400_000;

export interface Site {
  /** Served, and so is every name right below it. */
  readonly domain: string;
  /** `address:port` */
  readonly address: string;
}

export interface TlsServers {
  readonly sites: readonly Site[];
  readonly caFile: string;
  readonly stop: () => Promise<void>;
}

const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

const authority = (commonName: string, issuer: Identity | null, key: KeyObject): Identity =>
  makeCertificate({ commonName, issuer, isCa: true, key: pem(key), notAfter: Date.now() + decade });

const serverBlock = ({ domain, address }: Site, folder: string): string => {
  const file = path.join(folder, domain);
  return `server { listen ${address} ssl; server_name .${domain}; ssl_certificate ${file}.pem; ssl_certificate_key ${file}.key; }`;
};

const nginxConfig = (folder: string, servers: readonly string[]): string => `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log crit;
events { worker_connections 4096; }
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ')}
  server_names_hash_max_size 8192;
  server_names_hash_bucket_size 128;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache off;
  ${servers.join('\n  ')}
}
`;

/**
 * nginx with a thousand names, each with a P-256 leaf of its own under a P-384 intermediate and an RSA root of 4,096 bits, as Let's
 * Encrypt issues them; spread over eight loopback addresses.
 */
export const startTlsServers = async (parent: string): Promise<TlsServers> => {
  const folder = path.join(parent, 'nginx');
  mkdirSync(folder);
  const nginx = requireBinary('nginx');
  const rsa = generateKeyPairSync('rsa', { modulusLength: 4096 });
  const p384 = generateKeyPairSync('ec', { namedCurve: 'secp384r1' });
  const root = authority('Bench Root', null, rsa.privateKey);
  const intermediate = authority('Bench Intermediate', root, p384.privateKey);
  const port = await freePort();
  const sites = Array.from({ length: nameCount }, (_, index): Site => {
    const site = { domain: `shop-${index}.bench.test`, address: `127.0.0.${2 + (index % addressCount)}:${port}` };
    const leaf = makeCertificate({ names: [site.domain, `*.${site.domain}`], issuer: intermediate });
    writeFileSync(path.join(folder, `${site.domain}.pem`), leaf.cert + intermediate.cert);
    writeFileSync(path.join(folder, `${site.domain}.key`), leaf.key, { mode: 0o600 });
    return site;
  });
  const caFile = path.join(folder, 'root.pem');
  writeFileSync(caFile, root.cert);
  const config = path.join(folder, 'nginx.conf');
  const blocks = sites.map((site) => serverBlock(site, folder));
  writeFileSync(config, nginxConfig(folder, blocks));
  const child = startChild(nginx, ['-c', config, '-p', folder, '-e', path.join(folder, 'error.log')]);
  await untilListening(child, `http://127.0.0.2:${port}/`, 'nginx');
  return { sites, caFile, stop: async () => void (await child.stop()) };
};

const untilListening = async (child: Child, url: string, what: string): Promise<void> => {
  const answers = async (): Promise<boolean> => child.hasExited() || (await fetch(url)).status > 0;
  await waitFor(answers, { what });
  if (child.hasExited()) throw new Error(`${what} ended before it was ready:\n${child.output()}`);
};

export type BlackboxModule = 'verifying' | 'not verifying';

export interface Blackbox {
  readonly pid: number;
  /** The address to scrape for one probe of a site. */
  readonly url: (module: BlackboxModule, site: Site) => string;
  readonly stop: () => Promise<void>;
}

const modules = (sites: readonly Site[], caFile: string): Record<string, object> => {
  const tcp = (tlsConfig: object) => ({
    prober: 'tcp',
    timeout: '8s',
    tcp: { tls: true, preferred_ip_protocol: 'ip4', tls_config: tlsConfig },
  });
  // The name asked for belongs to the module: each site has its own two.
  return Object.fromEntries(
    sites.flatMap(({ domain: server_name }) => [
      [`verifying-${server_name}`, tcp({ server_name, ca_file: caFile })],
      [`not verifying-${server_name}`, tcp({ server_name, insecure_skip_verify: true })],
    ]),
  );
};

/** Debian's blackbox_exporter with its TCP prober over TLS, given the one root it needs. */
export const startBlackbox = async (parent: string, { sites, caFile }: TlsServers): Promise<Blackbox> => {
  const program = requireBinary('prometheus-blackbox-exporter');
  const config = path.join(parent, 'blackbox.yml');
  // JSON is YAML too.
  writeFileSync(config, JSON.stringify({ modules: modules(sites, caFile) }));
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const args = [`--config.file=${config}`, `--web.listen-address=127.0.0.1:${port}`, '--log.level=error'];
  const child = startChild(program, args);
  await untilListening(child, `${origin}/-/healthy`, 'blackbox_exporter');
  return {
    pid: child.pid,
    url: (module, { domain, address }) => {
      const query = new URLSearchParams({ module: `${module}-${domain}`, target: address });
      return `${origin}/probe?${query.toString()}`;
    },
    stop: async () => void (await child.stop()),
  };
};
