import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import path from 'node:path';
import { requireBinary } from '../../support/binaries.ts';
import { type Child, startChild } from '../../support/child.ts';

export interface NginxOptions {
  /** A folder of its own for configuration, pid and temporary files. */
  readonly home: string;
  /** `address:port`. */
  readonly listen: string;
  readonly serverName: string;
  /** PEM files, as an ACME client leaves them. */
  readonly certificate: string;
  readonly key: string;
}

/** A real nginx that serves one name over TLS. */
export interface Nginx extends AsyncDisposable {
  /** Serves the named files from now on, once it is reloaded. */
  configure(files: Pick<NginxOptions, 'certificate' | 'key'>): void;
  /** Reads its configuration and certificates again; returns when the processes with the old ones are gone. */
  reload(): Promise<void>;
}

const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

const configOf = ({ home, listen, serverName, certificate, key }: NginxOptions): string => `
daemon off;
worker_processes 1;
pid ${home}/nginx.pid;
error_log stderr notice;
events { worker_connections 64; }
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${home}/${name};`).join('\n  ')}
  server {
    listen ${listen} ssl;
    server_name ${serverName};
    ssl_certificate ${certificate};
    ssl_certificate_key ${key};
    return 204;
  }
}
`;

/** Kills the process group when this process ends, however it ends: nginx's workers outlive a master that is killed. */
const guardGroup = (group: number): (() => void) => {
  const script = 'cat >/dev/null; kill -KILL -- "-$0"';
  const guard = spawn('/bin/sh', ['-c', script, String(group)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  if (guard.stdin instanceof Socket) guard.stdin.unref();
  guard.unref();
  return () => void guard.kill('SIGKILL');
};

const lastWorker = (nginx: Child): string => {
  const [, pid] = [...nginx.output().matchAll(/start worker process (\d+)/g)].at(-1) ?? [];
  if (pid === undefined) throw new Error(`nginx has no worker; it printed:\n${nginx.output()}`);
  return pid;
};

export const startNginx = async (options: NginxOptions): Promise<Nginx> => {
  const file = path.join(options.home, 'nginx.conf');
  mkdirSync(options.home, { recursive: true });
  writeFileSync(file, configOf(options));
  // setsid makes it the leader of a group of its own, under the same pid.
  const nginx = startChild(requireBinary('setsid'), [requireBinary('nginx'), '-p', options.home, '-c', file]);
  const release = guardGroup(nginx.pid);
  await nginx.waitForOutput(/start worker process \d+/);
  return {
    configure: (files) => writeFileSync(file, configOf({ ...options, ...files })),
    reload: async () => {
      const old = lastWorker(nginx);
      nginx.signal('SIGHUP');
      await nginx.waitForOutput(new RegExp(`worker process ${old} exited`));
    },
    [Symbol.asyncDispose]: async () => {
      await nginx.stop();
      release();
    },
  };
};
