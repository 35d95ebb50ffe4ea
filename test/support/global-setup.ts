import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import type { EmbeddedPostgres } from '../../src/embedded.ts';
import { build, startTemplateServer } from './made.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where test files ask for what the whole run shares; see shared.ts. */
    readonly sharedUrl: string;
  }
}

/**
 * What the test files of one run share, made when the first one asks: a Postgres server with a migrated template
 * database, and an up-to-date dist/. A run of unit tests alone starts neither.
 */
export const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'notafter-test-'));
  let server: Promise<EmbeddedPostgres> | undefined;
  let built: Promise<string> | undefined;
  const made: Readonly<Record<string, () => Promise<string>>> = {
    '/postgres': async () => (await (server ??= startTemplateServer(dataDir))).url,
    '/build': () => (built ??= build()),
  };
  const { listener, url } = await listen(made);
  project.provide('sharedUrl', url);
  return async () => {
    listener.closeAllConnections();
    listener.close();
    if (server !== undefined) await (await server).stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
};

const listen = async (
  made: Readonly<Record<string, () => Promise<string>>>,
): Promise<{ listener: Server; url: string }> => {
  const listener = createServer((request, response) => {
    const make = made[request.url ?? ''];
    if (make === undefined) {
      response.writeHead(404).end();
      return;
    }
    make().then(
      (text) => response.end(text),
      (error: unknown) => response.writeHead(500).end(error instanceof Error ? error.message : String(error)),
    );
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const address = listener.address();
  return { listener, url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}` };
};
