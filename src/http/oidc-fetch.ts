import type { CustomFetch } from 'openid-client';

/** Bytes of one answer that are read; metadata, keys and tokens of real providers are a hundredth of it. */
export const longestAnswer = 1024 * 1024;

const bodyless = new Set([204, 205, 304]);

const readBounded = async (body: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    // Leaving the loop cancels the stream.
    if (size > longestAnswer) throw new TypeError(`the identity provider sends more than ${longestAnswer} bytes`);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks, size));
};

/**
 * Fetch for talking to an identity provider, whose answers are no longer than {@link longestAnswer}.
 *
 * @throws TypeError as fetch does, for longer ones, and for statuses that mean a fault of the provider
 */
export const boundedFetch: CustomFetch = async (url, { body = null, signal, ...options }) => {
  const response = await fetch(url, { ...options, body, ...(signal !== undefined && { signal }) });
  const { status, statusText, headers } = response;
  if (status >= 500) {
    await response.body?.cancel();
    throw new TypeError(`the identity provider answers ${status}`);
  }
  const bytes = response.body === null || bodyless.has(status) ? null : await readBounded(response.body);
  return new Response(bytes, { status, statusText, headers });
};
