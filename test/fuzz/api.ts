import { Agent, request } from 'node:http';

export interface ApiCall {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | null;
}

export interface ApiAnswer {
  readonly status: number;
  /** Media type without parameters. */
  readonly type: string;
  readonly text: string;
}

/** Calls the API on kept connections. */
export const createApiClient = (port: number) => {
  const agent = new Agent({ keepAlive: true });
  return {
    call: ({ method, path, headers, body }: ApiCall): Promise<ApiAnswer> =>
      new Promise((resolve, reject) => {
        const length = body === null ? {} : { 'content-length': String(body.length) };
        const options = {
          agent,
          host: '127.0.0.1',
          port,
          method,
          path,
          headers: { ...headers, ...length },
          timeout: 30_000,
        };
        const outgoing = request(options, (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk)).once('error', reject);
          incoming.once('end', () =>
            resolve({
              status: incoming.statusCode ?? 0,
              type: (incoming.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '',
              text: Buffer.concat(chunks).toString('utf8'),
            }),
          );
        });
        outgoing.once('timeout', () => outgoing.destroy(new Error('no answer within 30 s'))).once('error', reject);
        outgoing.end(body ?? undefined);
      }),
    close: () => agent.destroy(),
  };
};
