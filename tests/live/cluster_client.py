"""Just enough of a client to load a cluster that changes: one connection per node, the map from REST, retries."""
import base64
import http.client
import json
import socket
import struct
import time
import urllib.parse
import zlib

SASL, SELECT, GET, SET = 0x21, 0x89, 0x00, 0x01
RETRY = {0x07, 0x86, 0xa2, 0xa4}  # not my vBucket, temporary failure, a durable write is under way


class Management:
    def __init__(self, port):
        self.port = port

    def call(self, method, path, form=None, timeout=20):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, urllib.parse.urlencode(form) if form else None, {
                "Authorization": "Basic " + base64.b64encode(b"Administrator:password").decode(),
                "Content-Type": "application/x-www-form-urlencoded"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def must(self, method, path, **form):
        status, text = self.call(method, path, form)
        if status >= 300:
            raise SystemExit("%s %s %s: %d %s" % (method, path, form, status, text))
        return text

    def get(self, path):
        return json.loads(self.must("GET", path))

    def names(self):
        return [n["otpNode"] for n in self.get("/pools/default")["nodes"]]

    def wait(self, what, test, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if test():
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.02)
        raise SystemExit("port %d: waited %d s in vain for %s" % (self.port, seconds, what))

    def wait_up(self):
        self.wait("an answer", lambda: self.call("GET", "/pools")[0] == 200)

    def wait_uninitialised(self):
        self.wait("a node that nobody has set up", lambda: not json.loads(self.call("GET", "/pools")[1])["pools"])

    def wait_membership(self, name, membership):
        self.wait("%s to be %s" % (name, membership), lambda: any(
            n["otpNode"] == name and n["clusterMembership"] == membership for n in self.get("/pools/default")["nodes"]))

    def wait_idle(self):
        """Until no rebalance runs; its error, if any."""
        self.wait("the end of the rebalance", lambda: self.get("/pools/default/tasks")[0]["status"] == "notRunning", 60)
        return self.get("/pools/default/tasks")[0].get("errorMessage")


class Connection:
    def __init__(self, port, bucket):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.call(SASL, b"PLAIN", b"\0Administrator\0password")
        if self.call(SELECT, bucket.encode())[0]:
            raise OSError("the bucket is not there")

    def call(self, opcode, key=b"", value=b"", extras=b"", vbucket=0, framing=b""):
        length = len(framing) + len(extras) + len(key) + len(value)
        lengths = bytes([len(framing), len(key)]) if framing else struct.pack(">H", len(key))
        head = struct.pack(">BB2sBBHIIQ", 0x08 if framing else 0x80, opcode, lengths, len(extras), 0, vbucket, length, 1, 0)
        self.socket.sendall(head + framing + extras + key + value)
        magic, _, lengths, extras_length, _, status, length, _, _ = struct.unpack(">BB2sBBHIIQ", self.read(24))
        before = extras_length + (lengths[0] + lengths[1] if magic == 0x18 else struct.unpack(">H", lengths)[0])
        return status, self.read(length)[before:]

    def read(self, n):
        data = b""
        while len(data) < n:
            piece = self.socket.recv(n - len(data))
            if not piece:
                raise OSError("the connection was closed")
            data += piece
        return data


class Client:
    def __init__(self, management_port, bucket="B"):
        self.management, self.bucket, self.connections = Management(management_port), bucket, {}
        self.fetch()

    def fetch(self):
        try:
            status, text = self.management.call("GET", "/pools/default/b/" + self.bucket, timeout=5)
        except OSError:
            return
        if status == 200 and json.loads(text)["vBucketServerMap"]["vBucketMap"]:
            self.map = json.loads(text)["vBucketServerMap"]

    def operate(self, opcode, key, value=b"", extras=b"", framing=b"", seconds=40):
        """Until an answer that is one: (status, value)."""
        vbucket = (zlib.crc32(key) >> 16 & 0x7fff) % len(self.map["vBucketMap"])
        end, why = time.monotonic() + seconds, ""
        while time.monotonic() < end:
            active = self.map["vBucketMap"][vbucket][0]
            port = int(self.map["serverList"][active].rpartition(":")[2]) if active >= 0 else 0
            try:
                if port not in self.connections and port:
                    self.connections[port] = Connection(port, self.bucket)
                status, value_back = self.connections[port].call(opcode, key, value, extras, vbucket, framing)
                if status not in RETRY:
                    return status, value_back
                why = "status 0x%x" % status
            except (OSError, KeyError) as error:
                self.connections.pop(port, None)
                why = repr(error)
            time.sleep(0.005)
            self.fetch()
        raise TimeoutError("%r, vBucket %d: %s" % (key, vbucket, why))

    def set(self, key, value, level=0):
        return self.operate(SET, key, value, bytes(8), bytes([0x11, level]) if level else b"")[0]

    def get(self, key):
        return self.operate(GET, key)
