"""A reader of one long answer that stops when it likes: its socket's buffer is small and stays so, as Node's can not.

    slow_reader.py HOST PORT TARGET [CA-FILE] <pipe

The first line of the standard input is the bearer token. Prints the status once the first bytes are here, then reads
nothing until a line says how long to pause after each piece (ms); at the end prints {"n": bytes of the chunks, as they
came, "whole": whether the last one was there}.
"""
import json
import socket
import ssl
import sys
import time

BUFFER = 1 << 16


def main():
    host, port, target, *ca = sys.argv[1:]
    token = sys.stdin.readline().strip()
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    s.settimeout(120)
    s.connect((host, int(port)))
    if ca:
        s = ssl.create_default_context(cafile=ca[0]).wrap_socket(s, server_hostname=host)
    s.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    got = s.recv(BUFFER)
    while b"\r\n\r\n" not in got:
        got += s.recv(BUFFER)
    print(got.split()[1].decode(), flush=True)
    n, end = len(got), got[-64:]
    pause = int(sys.stdin.readline()) / 1000
    while True:
        try:
            piece = s.recv(BUFFER)
        except (ConnectionError, ssl.SSLError):  # cut off hard, or without TLS's farewell
            break
        if not piece:
            break
        n, end = n + len(piece), (end + piece)[-64:]
        if end.endswith(b"\r\n0\r\n\r\n"):
            break
        time.sleep(pause)
    print(json.dumps({"n": n, "whole": end.endswith(b"\r\n0\r\n\r\n")}), flush=True)


main()
