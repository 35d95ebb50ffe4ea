import type { Socket } from 'node:net';

const everyMs = 20;

/** Ends connections that bring more bytes than allowed. */
export interface ByteWatch {
  /** Calls `onOver` once when the socket has read more than `maxBytes`; the function given back ends the watch. */
  readonly add: (socket: Socket, maxBytes: number, onOver: () => void) => () => void;
}

interface Watched {
  readonly socket: Socket;
  readonly limit: number;
  readonly onOver: () => void;
}

/** One timer for all sockets, and none while there is nothing to watch: TLS reads below JavaScript, so bytes can only be counted. */
export const createByteWatch = (): ByteWatch => {
  const watched = new Set<Watched>();
  let timer: NodeJS.Timeout | null = null;
  const remove = (entry: Watched): void => {
    watched.delete(entry);
    if (watched.size > 0 || timer === null) return;
    clearInterval(timer);
    timer = null;
  };
  const look = (): void => {
    for (const entry of watched) {
      if (entry.socket.bytesRead <= entry.limit) continue;
      remove(entry);
      entry.onOver();
    }
  };
  return {
    add: (socket, maxBytes, onOver) => {
      const entry = { socket, limit: socket.bytesRead + maxBytes, onOver };
      watched.add(entry);
      timer ??= setInterval(look, everyMs);
      return () => remove(entry);
    },
  };
};
