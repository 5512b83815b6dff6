"""A relay between a mount and the server that can watch, stall, slow down and cut."""
import socket
import threading
import time


class Relay:
    """Relays 127.0.0.1:port to the server's port. With tls=none it also sees the commands."""

    def __init__(self, target):
        self.target = target
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.stalled = threading.Event()   # set: what the server says is held back
        self.rate = None                   # bytes a second towards the client
        self.rewrite = None                # what is done to the server's lines (tls=none)
        self.sent = b''                    # what clients sent, all connections
        self.received = 0                  # bytes passed to clients
        self.connections = 0
        self.sockets = set()
        self.lock = threading.Lock()
        self.closing = False
        self.refusing = False              # whoever connects is hung up on
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.refusing:
                client.close()
                continue
            try:
                server = socket.create_connection(('127.0.0.1', self.target))
            except OSError:
                client.close()
                continue
            with self.lock:
                self.connections += 1
                self.sockets |= {client, server}
            threading.Thread(target=self.upstream, args=(client, server), daemon=True).start()
            threading.Thread(target=self.downstream, args=(server, client), daemon=True).start()

    def upstream(self, client, server):
        try:
            while data := client.recv(65536):
                with self.lock:
                    self.sent += data
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
        except OSError:
            self.end(server)

    def whole_lines(self, server):
        """What the server says; with rewrite, up to the end of a line each time."""
        held = b''
        while data := server.recv(65536 if not self.rate else 8192):
            if self.rewrite:
                data, newline, rest = (held + data).rpartition(b'\n')
                data, held = self.rewrite(data + newline), rest
            if data:
                yield data
        if held:
            yield held

    def downstream(self, server, client):
        try:
            for data in self.whole_lines(server):
                while self.stalled.is_set() and not self.closing:
                    time.sleep(0.02)
                if self.rate:
                    time.sleep(len(data) / self.rate)
                client.sendall(data)
                self.received += len(data)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            self.end(server)  # nobody reads it any more: as a client that is gone

    def end(self, sock):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def count(self, what):
        with self.lock:
            return self.sent.count(what)

    def cut(self):
        """Ends every connection, as a server that restarts does."""
        with self.lock:
            for sock in self.sockets:
                self.end(sock)
            self.sockets.clear()

    def away(self):
        """The server cannot be reached, until back() is called."""
        self.refusing = True
        self.cut()

    def back(self):
        self.refusing = False

    def close(self):
        """Nothing listens any more. May be called again."""
        if self.closing:
            return
        self.closing = True
        # Without it the thread that waits in accept would take one more.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()
