"""A stand-in for a container engine: as much of Docker's HTTP API, on a unix socket, as Testcontainers modules use,
its containers being copies of our image's root file system (container.py).

Images are known by the names that people use: apache/kafka, apache/kafka-native, confluentinc/cp-kafka,
confluentinc/confluent-local and barnabas, with any tag. Every other name is 404, so nothing else can be what a test
started. There are no networks but one, no volumes, no pulling: what asks for more is answered 501 and listed in
`unanswered`.
"""

import http.server
import io
import json
import re
import secrets
import shutil
import socketserver
import struct
import subprocess
import tarfile
import threading
import time
import urllib.parse

from . import container, image

STAGES = {"apache/kafka": "apache", "apache/kafka-native": "apache", "barnabas": "apache",
          "confluentinc/cp-kafka": "confluent", "confluentinc/confluent-local": "local"}
API_VERSION = "1.44"
NETWORK = {"Name": "bridge", "Id": "b" * 64, "Scope": "local", "Driver": "bridge", "Labels": {}, "Options": {},
           "IPAM": {"Driver": "default", "Config": [{"Subnet": "172.31.0.0/16", "Gateway": "172.31.0.1"}]}}
NEVER = "0001-01-01T00:00:00Z"


def image_stage(name):
    """The Dockerfile's stage of an image's name, nothing when it is not ours."""
    name = re.sub(r"^(docker\.io|index\.docker\.io)/", "", name.split("@")[0])
    return STAGES.get(re.sub(r":[^:/]*$", "", name))


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime())


class Running:
    """A container of the engine."""

    def __init__(self, engine, identifier, name, wanted):
        self.id, self.name, self.wanted, self.created = identifier, name, wanted, now()
        self.started_at = NEVER
        config = image.read_dockerfile()[image_stage(wanted["Image"])]
        entrypoint, command = wanted.get("Entrypoint"), wanted.get("Cmd")
        if entrypoint:
            config.entrypoint, config.command = [entrypoint] if isinstance(entrypoint, str) else entrypoint, []
        if command:
            config.command = [command] if isinstance(command, str) else command
        config.user = wanted.get("User") or config.user
        config.working_folder = wanted.get("WorkingDir") or config.working_folder
        config.environment.update(entry.split("=", 1) for entry in wanted.get("Env") or [] if "=" in entry)
        self.config = config
        exposed = {**dict.fromkeys(config.ports), **(wanted.get("ExposedPorts") or {})}
        exposed.update((wanted.get("HostConfig") or {}).get("PortBindings") or {})
        self.ports = sorted({int(port.split("/")[0]) for port in exposed})
        self.made = container.Container(engine.root, engine.folder / identifier[:12], config, self.ports,
                                        name=wanted.get("Hostname") or identifier[:12])

    def start(self):
        self.made.start()
        self.started_at = now()

    def status(self):
        if self.made.unshare is None:
            return "created"
        return "running" if self.made.running() else "exited"

    def bindings(self):
        if self.status() != "running":
            return {}
        return {f"{port}/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(self.made.port(port))}] for port in self.ports}

    def inspected(self):
        status = self.status()
        network = {"NetworkID": NETWORK["Id"], "EndpointID": "e" * 64, "Gateway": "172.31.0.1", "IPPrefixLen": 16,
                   "IPAddress": container.ADDRESS, "MacAddress": "02:42:ac:1f:00:02", "Aliases": None, "Links": None}
        return {
            "Id": self.id, "Name": "/" + self.name, "Created": self.created, "Image": "sha256:" + "a" * 64,
            "Path": "", "Args": [], "Driver": "none", "Platform": "linux", "RestartCount": 0, "Mounts": [],
            "State": {"Status": status, "Running": status == "running", "Paused": False, "Restarting": False,
                      "OOMKilled": False, "Dead": False, "Pid": self.made.process_id or 0, "Error": "",
                      "ExitCode": self.made.wait() if status == "exited" else 0, "StartedAt": self.started_at,
                      "FinishedAt": now() if status == "exited" else NEVER},
            "Config": {"Hostname": self.made.name, "Image": self.wanted["Image"], "User": self.config.user, "Tty": False,
                       "Env": [f"{name}={value}" for name, value in self.config.environment.items()],
                       "Cmd": self.config.command, "Entrypoint": self.config.entrypoint,
                       "WorkingDir": self.config.working_folder, "Labels": self.wanted.get("Labels") or {},
                       "ExposedPorts": {f"{port}/tcp": {} for port in self.ports}},
            "HostConfig": {"NetworkMode": "bridge", "PortBindings": {f"{port}/tcp": [{"HostIp": "", "HostPort": ""}] for port in self.ports}},
            "NetworkSettings": {"Ports": self.bindings(), "IPAddress": container.ADDRESS, "Gateway": "172.31.0.1",
                                "Networks": {"bridge": network}},
        }

    def listed(self):
        ports = [{"IP": "0.0.0.0", "PrivatePort": int(port.split("/")[0]), "PublicPort": int(binding[0]["HostPort"]), "Type": "tcp"}
                 for port, binding in self.bindings().items()]
        return {"Id": self.id, "Names": ["/" + self.name], "Image": self.wanted["Image"], "State": self.status(),
                "Status": self.status(), "Labels": self.wanted.get("Labels") or {}, "Ports": ports, "Created": 0,
                "HostConfig": {"NetworkMode": "bridge"},
                "NetworkSettings": {"Networks": {"bridge": {"IPAddress": container.ADDRESS}}}}

    def unpack(self, folder, archive):
        """As an engine does for an archive that is copied in; a file appears when it is complete."""
        target = self.made.root / folder.lstrip("/")
        incoming = self.made.folder / "incoming"
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            for member in files:
                place = target / member.name.lstrip("/")
                if member.isdir():
                    place.mkdir(parents=True, exist_ok=True)
                    continue
                place.parent.mkdir(parents=True, exist_ok=True)
                incoming.write_bytes(files.extractfile(member).read())
                incoming.chmod(member.mode & 0o7777)
                shutil.move(incoming, place)


class Engine:
    """Serves until it is closed; every container ends with it."""

    def __init__(self, root, folder):
        self.root, self.folder = root, folder
        self.containers, self.executions, self.unanswered, self.images_asked = {}, {}, [], []
        folder.mkdir(parents=True)
        self.socket = folder / "engine.sock"
        self.server = Server(str(self.socket), Handler)
        self.server.engine = self
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def environment(self):
        """What points a Testcontainers library at it; the reaper is an image that we do not have."""
        return {"DOCKER_HOST": f"unix://{self.socket}", "TESTCONTAINERS_RYUK_DISABLED": "true",
                "TESTCONTAINERS_CHECKS_DISABLE": "true", "DOCKER_API_VERSION": API_VERSION}

    def find(self, name):
        for made in self.containers.values():
            if made.id.startswith(name) or made.name == name:
                return made
        return None

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        for made in self.containers.values():
            made.made.remove()


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "client"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer()

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

    def answer(self):
        self.engine = self.server.engine
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query))
        path = re.sub(r"^/v1\.\d+", "", urllib.parse.unquote(url.path))
        self.body = self.read_body()
        for method, pattern, call in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and self.command in method.split():
                try:
                    return call(self, *found.groups())
                except BrokenPipeError:
                    self.close_connection = True
                    return None
        self.engine.unanswered.append(f"{self.command} {path}")
        return self.send(501, {"message": f"{self.command} {path} is not there"})

    def read_body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def send(self, status, value=None):
        body = b"" if value is None else value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Api-Version", API_VERSION)
        self.send_header("Ostype", "linux")
        if status != 204:
            self.send_header("Content-Type", "text/plain" if isinstance(value, str) else "application/json")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(body)

    def container(self, name):
        made = self.engine.find(name)
        if made is None:
            self.send(404, {"message": f"No such container: {name}"})
        return made

    # What the API has.
    def ping(self):
        self.send(200, "OK")

    def version(self):
        self.send(200, {"Version": "25.0.0", "ApiVersion": API_VERSION, "MinAPIVersion": "1.24", "Os": "linux",
                        "Arch": "amd64", "KernelVersion": "6.0", "GitCommit": "x", "GoVersion": "go1.22"})

    def info(self):
        self.send(200, {"ID": "stand-in", "Containers": len(self.engine.containers), "Images": len(STAGES), "Driver": "none",
                        "OSType": "linux", "OperatingSystem": "Debian 12", "Architecture": "x86_64", "NCPU": 2,
                        "MemTotal": 8 << 30, "ServerVersion": "25.0.0", "Name": "stand-in", "Labels": [],
                        "IndexServerAddress": "https://index.docker.io/v1/", "RegistryConfig": {"IndexConfigs": {}}})

    def image_json(self, name):
        self.engine.images_asked.append(name)
        stage = image_stage(name)
        if stage is None:
            return self.send(404, {"message": f"No such image: {name}"})
        config = image.read_dockerfile()[stage]
        return self.send(200, {"Id": "sha256:" + "a" * 64, "RepoTags": [name], "Created": now(), "Os": "linux",
                               "Architecture": "amd64", "Size": 1, "Config": {
                                   "Env": [f"{key}={value}" for key, value in config.environment.items()], "Cmd": config.command,
                                   "Entrypoint": config.entrypoint, "User": config.user, "Labels": {},
                                   "ExposedPorts": {f"{port}/tcp": {} for port in config.ports}},
                               "RootFS": {"Type": "layers", "Layers": []}})

    def images(self):
        self.send(200, [{"Id": "sha256:" + "a" * 64, "RepoTags": [f"{name}:latest"], "Labels": {}, "Created": 0,
                         "Size": 1} for name in STAGES])

    def pull(self):
        name = self.query.get("fromImage", "")
        if image_stage(name) is None:
            return self.send(404, {"message": f"pull access denied for {name}"})
        return self.send(200, '{"status":"Status: Image is up to date"}\n')

    def create(self):
        wanted = json.loads(self.body)
        if image_stage(wanted["Image"]) is None:
            return self.send(404, {"message": f"No such image: {wanted['Image']}"})
        identifier = secrets.token_hex(32)
        made = Running(self.engine, identifier, self.query.get("name") or "c" + identifier[:10], wanted)
        self.engine.containers[identifier] = made
        return self.send(201, {"Id": identifier, "Warnings": []})

    def listed(self):
        filters = json.loads(self.query.get("filters", "{}"))
        every = self.query.get("all") in ("1", "true", "True") or "status" in filters
        found = []
        for made in self.engine.containers.values():
            labels = made.wanted.get("Labels") or {}
            wanted = filters.get("label") or []
            has_labels = all(labels.get(label.partition("=")[0]) == label.partition("=")[2] for label in wanted)
            if has_labels and (every or made.status() == "running"):
                found.append(made.listed())
        self.send(200, found)

    def inspect(self, name):
        if made := self.container(name):
            self.send(200, made.inspected())

    def start_container(self, name):
        if made := self.container(name):
            made.start()
            self.send(204)

    def stop_container(self, name):
        if made := self.container(name):
            made.made.stop(int(self.query.get("t") or 10))
            self.send(204)

    def kill_container(self, name):
        if made := self.container(name):
            made.made.kill()
            self.send(204)

    def wait_container(self, name):
        if made := self.container(name):
            self.send(200, {"StatusCode": made.made.wait(600)})

    def remove(self, name):
        if made := self.container(name):
            made.made.remove()
            del self.engine.containers[made.id]
            self.send(204)

    def put_archive(self, name):
        if made := self.container(name):
            made.unpack(self.query["path"], self.body)
            self.send(200, "")

    def begin_stream(self, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send_chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def logs(self, name):
        made = self.container(name)
        if made is None:
            return
        self.begin_stream("application/vnd.docker.multiplexed-stream")
        follow = self.query.get("follow") in ("1", "true", "True")
        wants_stdout = self.query.get("stdout") in ("1", "true", "True")
        with open(made.made.log_file, "rb") as log:
            while True:
                running = made.made.running()
                if (data := log.read(65536)) and wants_stdout:
                    self.send_chunk(struct.pack(">BxxxI", 1, len(data)) + data)
                elif not data and not (follow and running):
                    break
                elif not data:
                    time.sleep(0.01)
        self.wfile.write(b"0\r\n\r\n")

    def create_exec(self, name):
        if made := self.container(name):
            identifier = secrets.token_hex(32)
            self.engine.executions[identifier] = {"container": made, "wanted": json.loads(self.body), "code": None}
            self.send(201, {"Id": identifier})

    def start_exec(self, identifier):
        execution = self.engine.executions[identifier]
        made, wanted = execution["container"].made, execution["wanted"]
        environment = dict(entry.split("=", 1) for entry in wanted.get("Env") or [])
        command = made.execute_command(wanted["Cmd"], wanted.get("User") or None, environment)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        execution["code"] = done.returncode
        upgraded = "upgrade" in (self.headers.get("Connection") or "").lower()
        self.send_response(101 if upgraded else 200, "UPGRADED" if upgraded else "OK")
        self.send_header("Content-Type", "application/vnd.docker.multiplexed-stream")
        self.send_header("Connection", "Upgrade" if upgraded else "close")
        if upgraded:
            self.send_header("Upgrade", "tcp")
        self.end_headers()
        for number, data in ((1, done.stdout), (2, done.stderr)):
            if data:
                self.wfile.write(struct.pack(">BxxxI", number, len(data)) + data)
        self.wfile.flush()
        self.close_connection = True

    def inspect_exec(self, identifier):
        execution = self.engine.executions[identifier]
        self.send(200, {"ID": identifier, "Running": execution["code"] is None, "ExitCode": execution["code"], "Pid": 0})

    def prune(self, _kind):
        """Of what is labelled for it nothing is ever left: a container is removed, not only stopped."""
        self.send(200, {"SpaceReclaimed": 0})

    def networks(self):
        self.send(200, [NETWORK])

    def network(self, name):
        if name in (NETWORK["Name"], NETWORK["Id"]):
            self.send(200, NETWORK)
        else:
            self.send(404, {"message": f"network {name} not found"})


ROUTES = [
    ("GET HEAD", r"/_ping", Handler.ping),
    ("GET", r"/version", Handler.version),
    ("GET", r"/info", Handler.info),
    ("GET", r"/images/json", Handler.images),
    ("POST", r"/images/create", Handler.pull),
    ("GET", r"/images/(.+)/json", Handler.image_json),
    ("POST", r"/containers/create", Handler.create),
    ("GET", r"/containers/json", Handler.listed),
    ("GET", r"/containers/([^/]+)/json", Handler.inspect),
    ("POST", r"/containers/([^/]+)/start", Handler.start_container),
    ("POST", r"/containers/([^/]+)/stop", Handler.stop_container),
    ("POST", r"/containers/([^/]+)/kill", Handler.kill_container),
    ("POST", r"/containers/([^/]+)/wait", Handler.wait_container),
    ("DELETE", r"/containers/([^/]+)", Handler.remove),
    ("PUT", r"/containers/([^/]+)/archive", Handler.put_archive),
    ("GET", r"/containers/([^/]+)/logs", Handler.logs),
    ("POST", r"/containers/([^/]+)/exec", Handler.create_exec),
    ("POST", r"/exec/([^/]+)/start", Handler.start_exec),
    ("GET", r"/exec/([^/]+)/json", Handler.inspect_exec),
    ("POST", r"/(containers|networks|volumes|images)/prune", Handler.prune),
    ("GET", r"/networks", Handler.networks),
    ("GET", r"/networks/([^/]+)", Handler.network),
]
