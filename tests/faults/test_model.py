import time
import pytest
from analysis_jobs.stores.memory import MemoryJobStore
from tests.faults.walk import Walk
from tests.faults.world import a_world
from tests.faults.mutations import MUTATIONS
from collections import Counter

def test_try(quiet):
    n=0; t=time.time()
    landed=Counter()
    chosen=Counter()
    bad=0
    for seed in range(2000):
        with a_world(lambda _: MemoryJobStore(), seed) as world:
            w=Walk(world, seed)
            try:
                w.go(200)
            except AssertionError as e:
                bad+=1
                if bad<3: print(seed, e)
            n+=world.events
            landed+=world.ledger.landed
            chosen+=w.chosen
    print(n, time.time()-t, landed, chosen, bad)
    assert 0

@pytest.mark.parametrize("name", MUTATIONS)
def test_mut(quiet, name):
    t=time.time()
    mutation, focus = MUTATIONS[name]
    with mutation():
      for seed in range(1500):
        with a_world(lambda _: MemoryJobStore(), seed) as world:
            w=Walk(world, seed, focus)
            try:
                w.go(200)
            except Exception as e:
                with open("/tmp/w/mut.txt","a") as f:
                    f.write(f"{name:50} {seed:5} {time.time()-t:.1f} {str(e).splitlines()[-1][:170]}\n")
                return
    with open("/tmp/w/mut.txt","a") as f: f.write(f"{name:50} SURVIVED {time.time()-t}\n")
