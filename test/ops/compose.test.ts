import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { variables } from '../../src/config-variables.ts';
import { parseConfig } from '../../src/config.ts';
import { requireBinary } from '../support/binaries.ts';
import { startChild } from '../support/child.ts';
import { freePort } from '../support/ports.ts';
import { waitFor } from '../support/wait.ts';
import { output, read, root } from './support/files.ts';

let folder: string;
let text: string;
let services: ReadonlyMap<string, string>;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'notafter-compose-'));
  mkdirSync(path.join(folder, 'ops'));
  for (const name of ['compose-secrets', 'redis'])
    cpSync(path.join(root, 'ops', name), path.join(folder, 'ops', name), { recursive: true });
  execFileSync(path.join(folder, 'ops', 'compose-secrets'));
  // Compose itself checks the file against its schema, resolves what is shared, and writes it out in one form.
  text = await output(requireBinary('docker-compose'), '--file', 'compose.yaml', 'config');
  const block = /^services:\n([\s\S]*?)^(?=\S)/m.exec(`${text}\nend:\n`)?.[1] ?? '';
  services = new Map(
    block.split(/^ {2}(?=\S)/m).flatMap((one) => {
      const name = /^([\w-]+):/.exec(one)?.[1];
      return name === undefined ? [] : [[name, one] as const];
    }),
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const own = ['migrate', 'api', 'worker'];
const of = (name: string): string => services.get(name) ?? '';
const secret = (name: string): string => readFileSync(path.join(folder, '.data', 'compose', name), 'utf8').trim();

/** The names of the parts, of all or of some, whose text lacks this. */
const lacking = (pattern: RegExp, names: Iterable<string> = services.keys()): string[] =>
  [...names].filter((name) => !pattern.test(of(name)));
const foreign = (): string[] => [...services.keys()].filter((name) => !own.includes(name));

describe('compose.yaml', () => {
  it('has every part', () => {
    const names = ['alertmanager', 'api', 'grafana', 'migrate', 'postgres', 'prometheus', 'redis', 'worker'];
    expect([...services.keys()].sort()).toEqual(names);
  });

  it('gives no part more than it needs', () => {
    expect(lacking(/read_only: true/)).toEqual([]);
    expect(lacking(/cap_drop:\n\s+- ALL\n/)).toEqual([]);
    expect(lacking(/security_opt:\n\s+- no-new-privileges:true\n/)).toEqual([]);
    expect(lacking(/mem_limit: /)).toEqual([]);
    expect(lacking(/pids_limit: /)).toEqual([]);
    expect(text).not.toMatch(/privileged|cap_add|docker\.sock|network_mode/);
  });

  it('runs nothing as root', () => {
    // The product's own image says its user itself.
    expect(lacking(/user: (?!root|'?0[:'\n])/, foreign())).toEqual([]);
  });

  it('takes every image by a tag that does not move', () => {
    expect(lacking(/image: [\w/-]+:(?:local|v?\d+\.?\d*[\w.-]*)\n/)).toEqual([]);
  });

  it('publishes ports on the loopback address only, and none of the stores or of /metrics', () => {
    const published = [...text.matchAll(/^\s+- (\S+:\d+\/tcp)$/gm)].map(([, port = '']) => port);
    expect(published.length).toBeGreaterThan(0);
    expect(published.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
    expect(text).not.toMatch(/:(?:9465|6379|5432)\/tcp/);
    expect(text).toMatch(/stores:\n\s+internal: true/);
  });

  it('waits for what a part needs, and knows the health of all that stay', () => {
    const roles = ['api', 'worker'];
    expect(lacking(/migrate:\n\s+condition: service_completed_successfully/, roles)).toEqual([]);
    expect(lacking(/postgres:\n\s+condition: service_healthy/, own)).toEqual([]);
    expect(lacking(/healthcheck:\n/, foreign())).toEqual([]);
    // The health of these two is asked as the Dockerfile says.
    expect(lacking(/healthcheck:/, roles)).toEqual(roles);
  });

  it('keeps what has to be kept, and gives a process time to drain', () => {
    const kept = [...text.matchAll(/^\s+- (\w+):\/\w\S*$/gm)].map(([, volume]) => volume);
    expect(new Set(kept)).toEqual(new Set(['alertmanager', 'grafana', 'postgres', 'prometheus', 'redis']));
    expect(lacking(/stop_grace_period: 30s/, own)).toEqual([]);
  });

  it.each(own)('gives %s secrets as files only, and settings that notafter knows', (name) => {
    const settings = [...of(name).matchAll(/^ {6}([A-Z][A-Z0-9_]+): (.*)$/gm)].map(([, key = '', value = '']) => ({
      key,
      value,
    }));
    expect(settings.length).toBeGreaterThan(0);
    const known = Object.keys(variables);
    expect(settings.filter(({ key }) => !known.includes(key.replace(/_FILE$/, '')))).toEqual([]);
    const secrets = settings.filter(({ key }) => /TOKEN|KEY|SECRET|PASSWORD|URL/.test(key));
    expect(secrets.filter(({ value }) => !value.startsWith('/run/secrets/'))).toEqual([]);
  });

  it('gives the others their secrets as files, too', () => {
    expect(of('postgres')).toContain('POSTGRES_PASSWORD_FILE: /run/secrets/');
    expect(of('grafana')).toContain('GF_SECURITY_ADMIN_PASSWORD__FILE: /run/secrets/');
  });

  it('mounts folders that are there', () => {
    const mounted = [...text.matchAll(/- (\/\S+):\/\S+:ro$/gm)].map(([, file = '']) => file);
    expect(mounted).toHaveLength(6);
    expect(mounted.filter((file) => !statSync(file).isDirectory())).toEqual([]);
  });

  it('has the names by which its parts look for each other', () => {
    const named = [
      ...(/names: \[(.*)\]/.exec(read('ops/prometheus/prometheus.yml'))?.[1] ?? '').split(', '),
      ...[...read('ops/prometheus/prometheus.yml').matchAll(/targets: \[(?!localhost)(\w+):/g)].map(([, name]) => name),
      /url: http:\/\/(\w+):/.exec(read('ops/grafana/provisioning/datasources/prometheus.yml'))?.[1],
    ];
    expect(new Set(named)).toEqual(new Set(['api', 'worker', 'alertmanager', 'prometheus']));
    expect(named.filter((name) => !services.has(name ?? ''))).toEqual([]);
    const boards = /path: (\S+)/.exec(read('ops/grafana/provisioning/dashboards/notafter.yml'))?.[1];
    expect(of('grafana')).toContain(`:${boards}:ro`);
    expect(of('grafana')).toContain(`HOME_DASHBOARD_PATH: ${boards}/fleet.json`);
    expect(existsSync(path.join(root, 'ops/grafana/dashboards/fleet.json'))).toBe(true);
  });
});

describe('ops/compose-secrets', () => {
  const made = (): string[] => readdirSync(path.join(folder, '.data', 'compose'));

  it('makes every secret that compose.yaml mounts', () => {
    const mounted = [...text.matchAll(/\/\.data\/compose\/(\S+)$/gm)].map(([, name = '']) => name);
    expect(mounted.length).toBeGreaterThan(0);
    expect(mounted.filter((name) => !made().includes(name))).toEqual([]);
  });

  it('keeps them from other users of the host, and lets the users inside the containers read them', () => {
    expect(statSync(path.join(folder, '.data', 'compose')).mode & 0o777).toBe(0o700);
    const modes = made().map((name) => statSync(path.join(folder, '.data', 'compose', name)).mode & 0o777);
    expect(new Set(modes)).toEqual(new Set([0o444]));
  });

  it('leaves them as they are the next time, and makes others elsewhere', () => {
    const before = made().map(secret);
    execFileSync(path.join(folder, 'ops', 'compose-secrets'));
    expect(made().map(secret)).toEqual(before);
    expect(new Set(before).size).toBe(before.length);
  });

  it('makes what notafter takes', () => {
    const config = parseConfig(
      {
        DATABASE_URL: secret('database-url'),
        REDIS_URL: secret('redis-url'),
        CERT_EVENT_INGEST_TOKEN: secret('ingest-token'),
        CERT_EVENT_SOURCE_KEYS: secret('source-keys'),
        CERT_ADMIN_TOKENS: secret('admin-tokens'),
      },
      () => '',
    );
    expect(config.CERT_ADMIN_TOKENS?.map(({ role }) => role)).toEqual(['viewer', 'operator', 'admin']);
    const [app, owner] = [config.DATABASE_URL ?? '', secret('migrate-url')].map((url) => new URL(url));
    expect([app?.username, app?.password]).toEqual(['notafter', secret('app-password')]);
    expect([owner?.username, owner?.password]).toEqual(['notafter_owner', secret('owner-password')]);
    expect(of('migrate')).toMatch(/- --grant-to\n\s+- notafter\n/);
    expect(of('api') + of('worker')).not.toContain('migrate-url');
  });

  it('makes what Redis takes, with the settings and the health check of compose.yaml', async () => {
    const lines = [...(/command:\n([\s\S]*?)\n {4}\w/.exec(of('redis'))?.[1] ?? '').matchAll(/^\s+- (.*)$/gm)];
    const [, ...settings] = lines.map(([, word = '']) => word.replaceAll(/^(['"])(.*)\1$/g, '$2'));
    expect(settings.join(' ')).toMatch(/--maxmemory-policy noeviction .*--appendonly yes/);
    const port = String(await freePort());
    const places = new Map([
      ['/data', folder],
      ['/run/secrets/users.acl', path.join(folder, '.data', 'compose', 'users.acl')],
    ]);
    const given = settings.map((word) => places.get(word) ?? word);
    const child = startChild(requireBinary('redis-server'), ['--port', port, '--bind', '127.0.0.1', ...given]);
    try {
      const test = /test:\n\s+- CMD-SHELL\n\s+- (.*)\n/.exec(of('redis'))?.[1] ?? 'exit 1';
      const check = test.replace('redis-cli', `redis-cli -p ${port}`);
      await waitFor(() => output('/bin/sh', '-c', check).then(() => true), { what: `Redis: ${child.output()}` });
      await expect(output('/bin/sh', '-c', test.replace('redis-cli', 'redis-cli -p 1'))).rejects.toThrow(
        'Command failed',
      );
      const asked = (...words: string[]): Promise<string> =>
        output(
          'redis-cli',
          '-p',
          port,
          '--no-auth-warning',
          '--user',
          'notafter',
          '-a',
          secret('redis-password'),
          ...words,
        );
      expect(await asked('info', 'memory')).toContain('maxmemory_policy:noeviction');
      expect(await asked('config', 'get', 'maxmemory-policy')).toContain('NOPERM');
    } finally {
      await child.stop();
    }
  });
});
