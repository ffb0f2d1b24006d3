// There was no admin client yet.

final class Admin {
  static void create(String bootstrap, String topic, int partitions) {
    throw new UnsupportedOperationException("no admin client");
  }

  static void run(String bootstrap, String topic, String group) {
    throw new UnsupportedOperationException("no admin client");
  }

  private Admin() {}
}
