import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Permission;
import java.security.Policy;
import java.security.ProtectionDomain;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;

import org.apache.kafka.common.utils.Exit;

/**
 * Runs Apache Kafka's command line tools one after the other in one JVM, since a JVM for each costs seconds.
 *
 * Each line of standard input is a request: seconds, class, file for the tool's standard input or -, then the arguments,
 * each in base64, apart by spaces. Each answer is a line: exit code or 'timeout', standard output, standard error, the
 * latter two in base64. A tool that exits ends its main method here, not the JVM.
 */
public final class ToolRunner {
    /** Unwinds a tool that exits. */
    private static final class ToolExit extends Error {
        private static final long serialVersionUID = 1L;

        ToolExit() {
            super("exit", null, false, false);
        }
    }

    /**
     * One run of a tool. Its first exit is its end: some tools catch what unwinds them, print it and exit again, and
     * none of that would have happened in a JVM of its own.
     */
    private static final class Run {
        final ByteArrayOutputStream out = new ByteArrayOutputStream();
        final ByteArrayOutputStream err = new ByteArrayOutputStream();
        final List<Runnable> hooks = new CopyOnWriteArrayList<>();
        private String code;
        private byte[] outAtExit;
        private byte[] errAtExit;

        synchronized void exit(String exitCode) {
            if (code == null) {
                code = exitCode;
                outAtExit = out.toByteArray();
                errAtExit = err.toByteArray();
            }
        }

        synchronized String answer() {
            return code + " " + encoded(outAtExit) + " " + encoded(errAtExit);
        }

        private static String encoded(byte[] bytes) {
            return "=" + Base64.getEncoder().encodeToString(bytes);
        }
    }

    /** A tool's own classes, loaded anew for each run: some of them count in static fields. */
    private static final class ToolClasses extends URLClassLoader {
        ToolClasses() throws IOException {
            super(jars(), ToolRunner.class.getClassLoader());
        }

        private static URL[] jars() throws IOException {
            List<URL> found = new ArrayList<>();
            for (String path : System.getProperty("java.class.path").split(File.pathSeparator)) {
                found.add(Path.of(path).toUri().toURL());
            }
            return found.toArray(new URL[0]);
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            synchronized (getClassLoadingLock(name)) {
                if (name.startsWith("org.apache.kafka.tools.") || name.startsWith("kafka.admin.")) {
                    Class<?> loaded = findLoadedClass(name);
                    return loaded != null ? loaded : findClass(name);
                }
                return super.loadClass(name, resolve);
            }
        }
    }

    /** Whose output a thread writes: a tool may leave threads behind that go on printing while the next one runs. */
    private static final InheritableThreadLocal<Run> OF_THREAD = new InheritableThreadLocal<>();

    /** Standard output or error of the run that the writing thread belongs to. */
    private static final class OfThread extends OutputStream {
        private final Function<Run, OutputStream> stream;

        OfThread(Function<Run, OutputStream> stream) {
            this.stream = stream;
        }

        @Override
        public void write(int one) throws IOException {
            write(new byte[] {(byte) one}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int from, int count) throws IOException {
            Run run = OF_THREAD.get();
            if (run != null) {
                stream.apply(run).write(bytes, from, count);
            }
        }
    }

    private final PrintStream answers = System.out;

    public static void main(String[] arguments) throws Exception {
        new ToolRunner().serve();
    }

    private volatile Run current;

    private void serve() throws Exception {
        Exit.setExitProcedure((code, message) -> exit(code));
        Exit.setHaltProcedure((code, message) -> exit(code));
        // A tool's shutdown hook runs when the tool ends, as it would in a JVM of its own.
        Exit.setShutdownHookAdder((name, runnable) -> current.hooks.add(runnable));
        refuseExits();
        System.setOut(new PrintStream(new OfThread(run -> run.out), true));
        System.setErr(new PrintStream(new OfThread(run -> run.err), true));
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            answers.println(run(line.split(" ", -1)).answer());
            answers.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private void exit(int code) {
        System.out.flush();
        System.err.flush();
        current.exit(String.valueOf(code));
        throw new ToolExit();
    }

    /** argparse4j ends the JVM by System.exit, past Kafka's Exit. */
    @SuppressWarnings({"removal", "deprecation"})
    private void refuseExits() {
        Policy.setPolicy(new Policy() {
            @Override
            public boolean implies(ProtectionDomain domain, Permission permission) {
                return true;
            }
        });
        System.setSecurityManager(new SecurityManager() {
            @Override
            public void checkExit(int code) {
                exit(code);
            }

            @Override
            public void checkPermission(Permission permission) {
            }

            @Override
            public void checkPermission(Permission permission, Object context) {
            }
        });
    }

    private Run run(String[] request) throws Exception {
        long seconds = Long.parseLong(request[0]);
        Class<?> tool = new ToolClasses().loadClass(request[1]);
        byte[] input = request[2].equals("-") ? new byte[0] : Files.readAllBytes(Path.of(request[2]));
        String[] arguments = new String[request.length - 3];
        for (int i = 0; i < arguments.length; i++) {
            arguments[i] = new String(Base64.getDecoder().decode(request[i + 3]), StandardCharsets.UTF_8);
        }
        Run run = new Run();
        current = run;
        System.setIn(new ByteArrayInputStream(input));
        OF_THREAD.set(run);  // the tool's thread and those that it starts inherit it, however long they live
        FutureTask<String> task = new FutureTask<>(() -> call(tool, arguments));
        Thread thread = new Thread(task, "tool");
        thread.setContextClassLoader(tool.getClassLoader());  // some tools load classes of their own by name
        thread.setDaemon(true);
        // Classes that a tool loads by name (decoders, formatters) must be those that it was linked with.
        thread.setContextClassLoader(tool.getClassLoader());
        thread.start();
        String code;
        try {
            code = task.get(seconds, TimeUnit.SECONDS);
        } catch (TimeoutException slow) {
            thread.interrupt();
            code = "timeout";
        }
        for (Runnable hook : run.hooks) {
            hook.run();
        }
        System.out.flush();
        System.err.flush();
        run.exit(code);
        return run;
    }

    /** Runs a tool's main method; returns its exit code, 1 for an exception that it lets out, as java does. */
    private static String call(Class<?> tool, String[] arguments) throws Exception {
        try {
            tool.getMethod("main", String[].class).invoke(null, (Object) arguments);
            return "0";
        } catch (InvocationTargetException thrown) {
            if (!(thrown.getCause() instanceof ToolExit)) {
                System.err.print("Exception in thread \"main\" ");
                thrown.getCause().printStackTrace(System.err);
            }
            return "1";
        }
    }
}
