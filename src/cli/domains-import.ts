import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { parseObject } from '../emit/json.ts';
import { adminToken, type ApiAnswer, CommandError, refusal } from './api-client.ts';
import { withApi } from './events.ts';
import { type CliIo, listOf } from './io.ts';
import { printable } from './table.ts';

const barWidth = 30;

const bar = (sent: number, total: number): string => {
  const share = total === 0 ? 1 : Math.min(1, sent / total);
  const full = Math.round(share * barWidth);
  return `[${'#'.repeat(full)}${'.'.repeat(barWidth - full)}] ${Math.floor(share * 100)} %`;
};

/** The pieces of a file as they are sent; the server sets the pace, so what is sent is nearly what is imported. */
async function* told(io: CliIo, file: string, total: number | null): AsyncGenerator<Uint8Array> {
  let sent = 0;
  const pieces: AsyncIterable<Buffer> = file === '-' ? process.stdin : createReadStream(file);
  for await (const piece of pieces) {
    yield piece;
    sent += piece.length;
    io.progress?.(total === null ? `${Math.round(sent / 1_000_000)} MB sent` : bar(sent, total));
  }
}

const sizeOf = async (file: string): Promise<number | null> => {
  if (file === '-') return null;
  try {
    return (await stat(file)).size;
  } catch {
    throw new CommandError('the file cannot be read');
  }
};

const upload = async (io: CliIo, url: string, file: string): Promise<ApiAnswer> => {
  const total = await sizeOf(file);
  try {
    const response = await io.fetch(`${url}/v1/admin/domains/import`, {
      method: 'POST',
      redirect: 'manual',
      headers: { authorization: `Bearer ${adminToken(io.env) ?? ''}`, 'content-type': 'application/x-ndjson' },
      body: ReadableStream.from(told(io, file, total)),
      duplex: 'half',
    });
    return { status: response.status, headers: response.headers, body: parseObject(await response.text()) };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? ` (${printable(error.cause.message)})` : '';
    throw new CommandError(`the import broke off${cause}: what was imported stays; import the file again`);
  } finally {
    io.progress?.('');
  }
};

/** Sends a file of domains, however large. @returns 1 when a line was refused or the import broke off. */
export const importDomains = (io: CliIo, file: string, { json }: { readonly json?: boolean }): Promise<number> =>
  withApi(io, 'domains import', async ({ url }) => {
    const answer = await upload(io, url, file);
    if (answer.status !== 200) throw new CommandError(refusal(answer));
    const { imported, failed, errors } = answer.body;
    if (json === true || io.columns === null) io.stdout(JSON.stringify(answer.body));
    else {
      for (const { line, message } of listOf(errors)) {
        io.stderr(`notafter domains import: line ${printable(line)}: ${printable(message)}`);
      }
      io.stdout(`${printable(imported)} imported, ${printable(failed)} failed`);
    }
    return failed === 0 ? 0 : 1;
  });
