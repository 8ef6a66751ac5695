# A thin front for people who type make; ./run does the work and also installs make itself.
.PHONY: all demo test install clean
all:
	@./run build
demo:
	@./run demo
test:
	@./run test
install: all
	cmake --install build
clean:
	rm -rf build
