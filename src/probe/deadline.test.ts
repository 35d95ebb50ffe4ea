import { connect, createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { waitFor } from '../../test/support/wait.ts';
import { startDeadline } from './deadline.ts';

describe('startDeadline', () => {
  it('comes when the time is over, and not when it was called off', async () => {
    const seen: string[] = [];
    startDeadline(20, () => seen.push('called off'))();
    startDeadline(30, () => seen.push('late'));
    await waitFor(() => seen.length > 0);
    expect(seen).toEqual(['late']);
  });

  it('lets what has arrived be read first when this process was held up', async () => {
    const server = createServer((socket) => socket.end('x'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const seen: string[] = [];
    const socket = connect({ port, host: '127.0.0.1' }, () => seen.push('connected'));
    const callOff = startDeadline(20, () => seen.push('late'));
    socket.once('connect', callOff);
    // The connection is made by the kernel while this loop holds everything up.
    const until = performance.now() + 60;
    while (performance.now() < until);
    await waitFor(() => seen.length > 0);
    expect(seen).toEqual(['connected']);
    socket.destroy();
    server.close();
  });
});
